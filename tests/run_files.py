"""What a run wrote, for tests that compare two runs byte for byte."""

import re
from pathlib import Path

from fusebench.bench.engine import store

# These say when the run was made, or how long it took.
CLOCK = {store.RUN, store.SECONDS, store.LOCK, "report.html"}


def contents(out: Path) -> dict[str, bytes]:
    """Give the files of a run, but for what a clock measured."""
    files = {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    return {
        name: re.sub(rb', "seconds": \[[^]]*\]', b"", content) if name.endswith("journal.jsonl") else content
        for name, content in files.items()
        if Path(name).name not in CLOCK
    }
