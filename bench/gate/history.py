"""The scores of a file over its history in git: which commit moved what, and what drifts below every tolerance."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
from fusebench.bench.engine.store import Score, parse_rows
from fusebench.bench.gate.changes import KEY, Change, Key, Tolerance, change, changes, git

FORMAT = "%x1e%h%x1f%cs%x1f%s%x1f%D"  # a commit: hash, date, subject, and the names that point to it


class Step(NamedTuple):
    """A commit that changed the file: what moved since the commit before, in whatever amount."""

    commit: str
    date: str
    subject: str
    anchor: str  # the tag of the commit, "" where it has none
    changes: list[Change]
    scores: pd.DataFrame

    def __str__(self) -> str:
        """Name the commit in a line."""
        return f"{self.commit} {self.date} {self.subject}"


class Drift(NamedTuple):
    """A score that moved by more than its tolerance since an anchor, by steps each of which was within it."""

    change: Change  # from the anchor, over the small steps alone
    since: str
    commits: list[str]

    def __str__(self) -> str:
        """Say it in a line."""
        return f"{self.change}, by {len(self.commits)} small steps since {self.since}: {', '.join(self.commits)}"


def history(file: Path) -> list[Step]:
    """Give each commit that changed a file of scores, the oldest first.

    It begins after the last version that was no file of scores with these columns: such a version cannot be compared.

    Raises
    ------
    ValueError
        If it lies in no git repository or was never committed, or its last version is no file of scores.
    """
    folder = file.resolve().parent
    text = git(folder, "log", "--follow", "--name-only", f"--format={FORMAT}", "--", file.name, what=str(file))
    steps: list[Step] = []
    unread = ValueError(f"{file}: git knows no version of it; commit it first")
    before = pd.DataFrame(columns=Score._fields)
    for entry in reversed(text.split("\x1e")[1:]):
        (commit, date, subject, names), path = entry.split("\n\n")[0].split("\x1f"), entry.split("\n\n")[1].strip()
        content = git(folder, "show", f"{commit}:{path}", what=f"{commit}:{path}")
        try:
            after = pd.DataFrame(parse_rows(content, Score, f"{commit}:{path}"), columns=Score._fields)
        except ValueError as error:
            steps, unread = [], error
            continue
        tags = [name.removeprefix("tag: ") for name in names.split(", ") if name.startswith("tag: ")]
        moved = changes(before, after, lambda *_: 0.0) if steps else []
        steps.append(Step(commit, date, subject, min(tags, default=""), moved, after))
        before = after
    if not steps:
        raise unread
    return steps


def series(steps: Sequence[Step]) -> dict[str, list[float | None]]:
    """Give every score that moved over the versions, by its name; those that moved most come first."""
    moved: dict[Key, float] = {}
    for step in steps:
        for one in step.changes:
            if one.before is not None and one.after is not None:
                moved[one.key] = max(moved.get(one.key, 0.0), one.size)
    versions = [dict(zip(map(tuple, s.scores[KEY].to_numpy()), s.scores.score, strict=True)) for s in steps]
    order = sorted(moved, key=lambda key: (-moved[key], key))
    return {" ".join(part for part in key if part): [version.get(key) for version in versions] for key in order}


def drifts(steps: Sequence[Step], tolerance: Tolerance) -> list[Drift]:
    """Find the scores that drifted: step by step within the tolerance, but beyond it since the last anchor.

    An anchor is a commit with a tag, or the first one. A step that was larger than the tolerance was seen when it was
    made, and does not count; the small ones are added up, with their signs.
    """
    start = max((n for n, step in enumerate(steps) if step.anchor), default=0)
    since = steps[start].anchor or steps[start].commit
    anchor = dict(zip(map(tuple, steps[start].scores[KEY].to_numpy()), steps[start].scores.score, strict=True))
    sums: dict[Key, float] = {}
    commits: dict[Key, list[str]] = {}
    for step in steps[start + 1 :]:
        for one in step.changes:
            if one.before is not None and one.after is not None and one.size <= tolerance(*one.fuser_and_metric):
                sums[one.key] = sums.get(one.key, 0.0) + one.after - one.before
                commits.setdefault(one.key, []).append(step.commit)
    found = []
    for key, moved in sums.items():
        if (first := anchor.get(key)) is not None:
            drifted = Change(key, first, first + moved, tolerance(*key[2:]))
            if change(first, first + moved) > drifted.allowed:
                found.append(Drift(drifted, since, commits[key]))
    return sorted(found, key=lambda drift: -drift.change.size)
