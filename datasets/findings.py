"""What a check of a folder found, for people: a summary, and a picture of every pair that lies askew."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from fusebench.datasets import volumes
from fusebench.datasets.inspection import REACH, Case, Found, Row
from fusebench.datasets.orientation import AXES
from fusebench.datasets.pair import Entry
from fusebench.datasets.reading import AS_STATED, Reading
from fusebench.datasets.volumes import Volume
from PIL import Image, ImageDraw, ImageFont

SUMMARY = "summary.md"
TITLE = "# Check of "
FIELDS = 8  # of the checkerboard along a side
WIDTH = 400  # pixels, from which on a picture is not enlarged
GAP, TITLE_HEIGHT = 8, 20  # pixels
Grey = npt.NDArray[np.float32]


def write(found: Found, root: Path, out: Path, reading: Reading = AS_STATED) -> list[Path]:
    """Write `summary.md` into a folder, and beside it a checkerboard of both images for each suspicious pair and case.

    An earlier check's summary and pictures are replaced. Returns the pictures.

    Raises
    ------
    ValueError
        If the folder holds other files.
    """
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    for path in out.iterdir():
        path.unlink()
    pictures: list[tuple[str, Path]] = []
    for case in (case for case in found.cases if case.flag):
        path = out / f"{case.kind}_{case.name}.png"
        _board_of_case(case, reading).save(path)
        pictures.append((f"{case.kind}/{case.name}: {case.flag}", path))
    known = {(entry.kind, entry.name): entry for entry in found.entries}
    in_space = {(case.kind, case.name) for case in found.cases if case.flag}
    for row in found.rows:
        # Of a volume that lies askew one picture says it, and not each slice's.
        volume = row.name.rpartition("#")[0] or row.case
        if row.shift and row.shift.suspicious and (row.kind, volume) not in in_space:
            path = out / f"{row.kind}_{row.name}.png"
            _board_of_pair(row, known[row.kind, row.name]).save(path)
            pictures.append((f"{row.kind}/{row.name}: {row.flags[-1]}", path))
    (out / SUMMARY).write_text(_summary(found, root, pictures), encoding="utf-8")
    return [path for _, path in pictures]


def check_folder(out: Path) -> None:
    """Raise ValueError if a folder holds anything but an earlier check."""
    if out.exists() and not out.is_dir():
        raise ValueError(f"{out}: is a file; --out names a folder")
    if not out.exists() or not any(out.iterdir()):
        return
    summary = out / SUMMARY
    if not summary.is_file() or not summary.read_text(encoding="utf-8", errors="replace").startswith(TITLE):
        raise ValueError(f"{out}: holds files that no check wrote; name another folder with --out")
    if others := [path for path in out.iterdir() if path != summary and path.suffix != ".png"]:
        raise ValueError(f"{others[0]}: no check wrote it; name another folder with --out")


def _summary(found: Found, root: Path, pictures: list[tuple[str, Path]]) -> str:
    """Give the text: what was looked at and what was not, then what is suspicious, then what else is wrong."""
    lines = [f"{TITLE}{_escaped(str(root))}", ""]
    lines += ["| kind | pairs | shifted within the slice | volumes | that lie askew |", "|:--|--:|--:|--:|--:|"]
    for kind in dict.fromkeys(row.kind for row in found.rows):
        rows = [row for row in found.rows if row.kind == kind]
        cases = [case for case in found.cases if case.kind == kind and case.pose]
        shifted = sum(bool(row.shift and row.shift.suspicious) for row in rows)
        askew = sum(bool(case.flag) for case in cases)
        lines.append(f"| {_escaped(kind)} | {len(rows)} | {shifted} | {len(cases)} | {askew} |")
    lines += ["", *(f"- {line}" for line in looked_at(found)), ""]
    for text, path in pictures:
        lines += [f"## {_escaped(text)}", "", f"![checkerboard of both](<{path.name}>)", ""]
    shown = {text for text, _ in pictures}
    alike: dict[str, list[str]] = {}  # what is said of the slices of a volume, with the slice left out
    for problem in found.problems:
        if problem not in shown:
            alike.setdefault(re.sub(r"#\d+", "", problem), []).append(" ".join(problem.split()))
    if alike:
        lines += ["## Other problems", ""]
        lines += [f"- {_escaped(p[0])}{f' (and of {len(p) - 1} slices more)' if p[1:] else ''}" for p in alike.values()]
        lines.append("")
    return "\n".join(lines)


def looked_at(found: Found) -> list[str]:
    """Say in lines for what was looked, and for what not."""
    seen = [case for case in found.cases if case.pose]
    measured = sum(row.shift is not None for row in found.rows)
    lines = [f"{measured} of {len(found.rows)} pairs: shifts within the slice of up to {REACH} pixels, no turns"]
    if seen:
        lines.append(f"{len(seen)} cases that are volumes: shifts and turns in space, to about 1 mm and 1 degree")
    for reason in dict.fromkeys(case.unseen for case in found.cases if case.unseen):
        names = [f"{case.kind}/{case.name}" for case in found.cases if case.unseen == reason]
        more = f" and {len(names) - 1} more" if names[1:] else ""
        lines.append(f"not looked at in space: {names[0]}{more}; {reason}")
    if len(found.cases) == 0 and found.rows:
        lines.append("not looked at: how slices lie above each other, which single images do not say")
    return lines


def _board_of_pair(row: Row, entry: Entry) -> Image.Image:
    pair = entry.read()
    a, b = pair.a.numpy(), pair.b.numpy()
    shift = row.shift
    panels = [("as they are", checkerboard(a, b))]
    if shift is not None:
        undone = np.roll(a, (-shift.dy, -shift.dx), (0, 1))
        title = f"{row.modalities[0]} moved by {-shift.dy:+d} down, {-shift.dx:+d} right"
        panels.append((title, checkerboard(undone, b)))
    return _drawn([panels])


def _board_of_case(case: Case, reading: Reading) -> Image.Image:
    """Draw the middle slice along each axis, as they are and with the motion undone."""
    first, second = case.volumes
    undone = moved(second, case)
    rows = []
    for title, other in (("as they are", second), ("with the motion undone", undone)):
        panels = []
        for axis in AXES[::-1]:
            along = replace(reading, axis=axis)
            middle = len(volumes.numbers(first, along)) // 2
            a, b = volumes.read(first, other, middle, case.modalities, along)
            panels.append((f"{title}, {axis}", checkerboard(a.numpy(), b.numpy())))
        rows.append(panels)
    return _drawn(rows)


def moved(second: Volume, case: Case) -> Volume:
    """Give the second volume of a case as it would lie if it were registered."""
    pose = case.pose
    if pose is None:
        return second
    return replace(second, affine=volumes.affine_of(np.linalg.solve(np.array(pose.matrix), np.array(second.affine))))


def checkerboard(a: Grey, b: Grey) -> Grey:
    """Show two images in turn, in 8 x 8 fields; where they belong together their edges go on.

    Examples
    --------
    >>> checkerboard(np.zeros((16, 16), np.float32), np.ones((16, 16), np.float32))[0, ::2].tolist()
    [0.0, 1.0, 0.0, 1.0, 0.0, 1.0, 0.0, 1.0]
    """
    rows, columns = (np.arange(length) * FIELDS // length for length in a.shape)
    return np.where((rows[:, None] + columns) % 2 == 0, a, b)


def _drawn(rows: list[list[tuple[str, Grey]]]) -> Image.Image:
    """Put pictures beside and below each other, each with its title above, enlarged where they are small."""
    widest = max(board.shape[1] for row in rows for _, board in row)
    times = max(1, WIDTH // widest)
    font = ImageFont.load_default(size=14)
    made = [[(text, Image.fromarray((255 * board).round().astype(np.uint8))) for text, board in row] for row in rows]
    width = times * widest + GAP
    heights = [times * max(board.height for _, board in row) + GAP + TITLE_HEIGHT for row in made]
    sheet = Image.new("L", (width * max(map(len, rows)) + GAP, sum(heights) + GAP), 255)
    draw = ImageDraw.Draw(sheet)
    top = GAP
    for row, height in zip(made, heights, strict=True):
        for n, (text, board) in enumerate(row):
            left = GAP + n * width
            draw.text((left, top), text, fill=0, font=font)
            large = board.resize((times * board.width, times * board.height), Image.Resampling.NEAREST)
            sheet.paste(large, (left, top + TITLE_HEIGHT))
        top += height
    return sheet


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in r"\`*_{}[]<>#|" else c for c in text)
