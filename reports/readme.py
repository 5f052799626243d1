"""The README's tables and picture, from the files of a run: `make readme`."""

import re
import shutil
import sys
from pathlib import Path

BEGIN, END = "<!-- tables of `make bench`: written by `make readme` -->", "<!-- end of tables -->"
PICTURE = Path("docs/methods-ct-mri.png")


def write(out: Path, readme: Path) -> None:
    """Put the tables of a run between the README's marks, and the picture of its table 2 beside it.

    Raises
    ------
    ValueError
        If the README has no such marks.
    """
    text = readme.read_text(encoding="utf-8")
    tables = [path.read_text(encoding="utf-8") for path in sorted((out / "tables").glob("*.md"))]
    marked, count = re.subn(
        f"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: "\n".join([BEGIN, *tables, END]), text, flags=re.DOTALL
    )
    if count != 1:
        raise ValueError(f"{readme}: expected once: {BEGIN} ... {END}")
    readme.write_text(marked, encoding="utf-8")
    shutil.copyfile(out / "figures" / "table2.png", readme.parent / PICTURE)


if __name__ == "__main__":
    write(Path(sys.argv[1]), Path(sys.argv[2]))
