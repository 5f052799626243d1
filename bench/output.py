"""The folder of a run: written beside the old results, which stay until the new ones are complete."""

import csv
import io
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# What a run and the reports on it write; anything else in the folder is left alone.
OWNED = (
    *("run.json", "scores.csv", "losses.csv", "features.npz"),
    *("fused", "colour", "tables", "figures"),
)


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """Give an empty folder to write a run into; at the end of the block its contents take the place of the old run's.

    If the block fails or is interrupted, the old results are as they were.

    Raises
    ------
    ValueError
        If `out` is a file, or holds a name of ours that no run wrote.
    OSError
        If it cannot be written; that shows here, before the work.
    """
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out}: is a file; --out names a folder")
    out.mkdir(parents=True, exist_ok=True)
    old = [out / name for name in OWNED if (out / name).exists()]
    if old and not _is_run(out):
        raise ValueError(f"{old[0]}: would be replaced, but no run wrote it; name another folder with --out")
    with tempfile.TemporaryDirectory(prefix=".running-", dir=out) as work:
        yield Path(work)
        for path in old:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for name in OWNED:
            if (Path(work) / name).exists():
                (Path(work) / name).rename(out / name)


def _is_run(out: Path) -> bool:
    try:
        return "suite" in json.loads((out / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False


def write_text(path: Path, text: str) -> None:
    """Write a file whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8", newline="")
    part.replace(path)


def write_rows(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write rows as CSV, every digit kept."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(path, text.getvalue())
