"""Is a folder of pairs what it should be? Sizes, depths, ranges, duplicates, and whether the pairs are registered."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from fusebench.datasets import cases, formats, layouts, registration
from fusebench.datasets.cases import Progress, Say, silent
from fusebench.datasets.image import quantise
from fusebench.datasets.pair import Entry, Pair
from fusebench.datasets.reading import AS_STATED, Reading
from fusebench.datasets.registration import Pose
from fusebench.datasets.volumes import Volume
from torch import Tensor

REACH = 6  # pixels a shift is looked for in every direction
LEVELS = 32  # grey levels mutual information is taken at: 256 leave a slice's joint histogram nearly empty
SHIFTED = 2  # pixels; skull and cortex shift the maximum by so much on pairs that are registered
GAIN = 0.01  # bit; a maximum that is higher by less is noise
WHITE = 1 / 2  # of the pixels


class Shift(NamedTuple):
    """Where the first image lies relative to the second, and the mutual information in bits there and at no shift."""

    dy: int
    dx: int
    at_zero: float
    best: float

    @property
    def suspicious(self) -> bool:
        """Whether the images are more than 2 pixels apart, by a maximum that is no noise."""
        return max(abs(self.dy), abs(self.dx)) > SHIFTED and self.best - self.at_zero >= GAIN


@dataclass(frozen=True)
class Row:
    """What was found of a pair; of two values the first is the first modality's.

    `size` in pixels, `depths` as the files hold them, `ranges` and `white` (the fraction of pixels at 1) as they are
    read; `shift` is None for a pair too small to measure it. `flags` says what is suspicious.
    """

    kind: str
    name: str
    case: str | None
    modalities: tuple[str, str]
    size: tuple[int, int]
    depths: tuple[str, ...]
    ranges: tuple[tuple[float, float], ...]
    white: tuple[float, ...]
    shift: Shift | None
    flags: tuple[str, ...]


@dataclass(frozen=True)
class Case:
    """How the volumes of a case lie against each other, as a motion in space, or why that was not looked for."""

    kind: str
    name: str
    modalities: tuple[str, str]
    volumes: tuple[Volume, Volume]
    pose: Pose | None
    unseen: str

    @property
    def flag(self) -> str:
        """What is suspicious; "" where nothing is."""
        if self.pose is None or not self.pose.suspicious:
            return ""
        return (
            f"{self.modalities[1]} lies {self.pose} off {self.modalities[0]}: mutual information "
            f"{self.pose.best:.3f} bit with that undone, {self.pose.at_zero:.3f} as they are"
        )


class Found(NamedTuple):
    """What was found: a row for each pair, every problem in a line, the cases that are volumes, and what was read."""

    rows: list[Row]
    problems: list[str]
    cases: list[Case]
    entries: Sequence[Entry] = ()


def check(root: Path, reading: Reading = AS_STATED, progress: Progress = lambda *_: None, say: Say = silent) -> Found:
    """Read every pair under a folder; give what was found.

    Problems are what `layouts.survey` tells, and those of `look`.

    Raises
    ------
    ValueError
        If the folder is missing or holds nothing that could be pairs.
    """
    entries, problems = layouts.survey(root, reading, say)
    found = look(entries, reading, progress)
    return found._replace(problems=problems + found.problems)


def in_a_line(found: Found) -> str:
    """Say what was found in one line; "" where nothing is wrong.

    Examples
    --------
    >>> in_a_line(Found([], ["CT-MRI/1: CT is white in 80% of its pixels", "CT-MRI/2: MRI is constant, 0"], []))
    'CT-MRI/1: CT is white in 80% of its pixels (and 1 more)'
    """
    if not found.problems:
        return ""
    more = f" (and {len(found.problems) - 1} more)" if found.problems[1:] else ""
    return f"{found.problems[0]}{more}"


def look(entries: Sequence[Entry], reading: Reading = AS_STATED, progress: Progress = lambda *_: None) -> Found:
    """Read pairs of files; give what was found.

    Problems are files that cannot be read, and what is flagged: an image that is constant or whose brightest pixel is
    below an eighth of its range, unless it is a slice of a volume; a second volume where it is constant and the first
    is not; an image of which half is white; the same pixels under two names; a pair that `find_shift` finds more than 2
    pixels apart by at least 0.01 bit; volumes that `registration.find` finds a 64th of their longest side apart. The
    slices of a scan change little, so a pair that was shuffled among its neighbours is not seen.
    """
    problems: list[str] = []
    rows: list[Row] = []
    seen: dict[str, tuple[str, str, str]] = {}
    for done, entry in enumerate(entries):
        progress(f"{entry.kind}/{entry.name}", done, len(entries))
        try:
            pair = entry.read()
            row = _row(entry, pair, seen)
        except ValueError as error:
            problems.append(str(error))
            continue
        rows.append(row)
        problems += [f"{entry.kind}/{entry.name}: {flag}" for flag in row.flags]
    cases_in_space = _in_space(entries, reading, progress)
    problems += [f"{case.kind}/{case.name}: {case.flag}" for case in cases_in_space if case.flag]
    return Found(rows, problems + _blank(rows), cases_in_space, entries)


def _in_space(entries: Sequence[Entry], reading: Reading, progress: Progress) -> list[Case]:
    """Look how the volumes of each case lie against each other."""
    firsts: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        if name := cases.volume(entry.name) or entry.case:
            firsts.setdefault((entry.kind, name), entry)
    pairs = {
        name: (found, layouts.modalities(entry))
        for name, entry in firsts.items()
        if (found := formats.as_volumes(*layouts.files(entry)))
    }
    looked: list[Case] = []
    for done, ((kind, name), (found, modalities)) in enumerate(pairs.items()):
        progress(f"{kind}/{name} in space", done, len(pairs))
        try:
            pose, unseen = registration.find(*found, modalities, reading), ""
        except ValueError as error:
            pose, unseen = None, str(error)
        looked.append(Case(kind, name, modalities, found, pose, unseen))
    return looked


def _blank(rows: Iterable[Row]) -> list[str]:
    """Say of which volumes one shows nothing where the other does."""
    problems: list[str] = []
    volumes: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        if name := cases.volume(row.name):
            volumes.setdefault((row.kind, name), []).append(row)
    for (kind, name), slices in volumes.items():
        blank = [[low == high for low, high in row.ranges] for row in slices]
        modalities = slices[0].modalities
        for n, modality in enumerate(modalities):
            if all(row[n] for row in blank):
                problems.append(f"{kind}/{name}: {modality} is constant in every slice; do the volumes overlap?")
        # The second was resampled: what the first shows should be there.
        lost = sum(second and not first for first, second in blank)
        if lost and not all(second for _, second in blank):
            problems.append(
                f"{kind}/{name}: {modalities[1]} is constant in {lost} of the slices in which {modalities[0]} is "
                "not; do the volumes cover each other?"
            )
    return problems


def find_shift(a: Tensor, b: Tensor, reach: int = REACH) -> Shift:
    """Find the whole-pixel shift of `a` against `b` at which they tell most of each other.

    The mutual information of `b` without its border of `reach` pixels and the part of `a` that lies (dy, dx) further
    down and right, at 32 grey levels, is computed for every shift up to `reach`; of equal maxima the nearest counts. To
    align the pair, move `a` by (-dy, -dx).

    Parameters
    ----------
    a, b
        Shape (H, W), in [0, 1], with more than 2 `reach` pixels in both directions.

    Examples
    --------
    >>> square = torch.zeros(32, 32)
    >>> square[12:20, 12:20] = 1
    >>> find_shift(square.roll((2, -3), (0, 1)), square)[:2]
    (2, -3)
    """
    first, second = (_levels(image) for image in (a, b))
    height, width = second.shape
    inner = second[reach : height - reach, reach : width - reach]
    shown = np.flatnonzero(inner)  # half of a slice is black; what it is paired with, the others' counts tell
    rows, columns = np.divmod(shown, inner.shape[1])
    places, levels = (rows + reach) * width + columns + reach, inner.ravel()[shown]
    information = {}
    steps = range(-reach, reach + 1)
    for dx in steps:
        counts = _counts_below(first[:, reach + dx : width - reach + dx])
        for dy in steps:
            joint = np.bincount(first.ravel()[places + (dy * width + dx)] * LEVELS + levels, minlength=LEVELS**2)
            joint = joint.reshape(LEVELS, LEVELS)
            whole = counts[height - reach + dy] - counts[reach + dy]
            joint[:, 0] = whole - joint.sum(axis=1)
            information[dy, dx] = _mutual_information(joint)
    order = sorted(information, key=lambda s: (s[0] ** 2 + s[1] ** 2, s))
    dy, dx = max(order, key=information.__getitem__)
    return Shift(dy, dx, information[0, 0], information[dy, dx])


def _counts_below(image: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Count the levels of the rows above each row: (H + 1, LEVELS)."""
    height = len(image)
    of_rows = np.bincount((np.arange(height)[:, None] * LEVELS + image).ravel(), minlength=height * LEVELS)
    return np.concatenate([np.zeros((1, LEVELS), np.int64), of_rows.reshape(height, LEVELS).cumsum(axis=0)])


def _row(entry: Entry, pair: Pair, seen: dict[str, tuple[str, str, str]]) -> Row:
    flags: list[str] = []
    in_volume = cases.volume(pair.name) is not None  # whose first and last slices show little
    images = dict(zip(pair.modalities, (pair.a, pair.b), strict=True))
    for modality, image in images.items():
        low, high = image.min().item(), image.max().item()
        if low == high:
            flags += [] if in_volume else [f"{modality} is constant, {low:.3g}"]
            continue
        if (doubt := formats.dark(high, modality)) and not in_volume:
            flags.append(doubt)
        if (white := (image == 1).double().mean().item()) >= WHITE:
            flags.append(f"{modality} is white in {white:.0%} of its pixels")
        digest = hashlib.sha256(repr(image.shape).encode() + image.numpy().tobytes()).hexdigest()
        kind, name, other = seen.setdefault(digest, (entry.kind, entry.name, modality))
        # One scan may be paired with several others.
        if (name, other) != (entry.name, modality):
            flags.append(f"{modality} has the pixels of {kind}/{name}'s {other}")
    # At least as much must be left to compare as is cut off.
    shift = find_shift(pair.a, pair.b) if min(pair.size) >= 4 * REACH else None
    if shift and shift.suspicious:
        more = ", as far as was looked" if REACH in {abs(shift.dy), abs(shift.dx)} else ""
        flags.append(
            f"{pair.modalities[0]} lies {shift.dy:+d} down, {shift.dx:+d} right of {pair.modalities[1]}{more}: mutual "
            f"information {shift.best:.3f} bit there, {shift.at_zero:.3f} as they are"
        )
    return Row(
        entry.kind,
        entry.name,
        entry.case,
        pair.modalities,
        pair.size,
        tuple(map(formats.depth, layouts.files(entry))),
        tuple((image.min().item(), image.max().item()) for image in images.values()),
        tuple((image == 1).double().mean().item() for image in images.values()),
        shift,
        tuple(flags),
    )


def _levels(image: Tensor) -> npt.NDArray[np.int64]:
    # By way of 8 bits, as 8-bit images are binned.
    levels: npt.NDArray[np.int64] = (quantise(image).to(torch.int64) * LEVELS // 256).numpy()
    return levels


def _mutual_information(counts: npt.NDArray[np.int64]) -> float:
    """I(a, b) = H(a) + H(b) - H(a, b) in bits, of how often each two levels stand together."""
    marginals = _entropy(counts.sum(axis=0)) + _entropy(counts.sum(axis=1))
    return max(0.0, marginals - _entropy(counts.ravel()))


def _entropy(counts: npt.NDArray[np.int64]) -> float:
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum())
