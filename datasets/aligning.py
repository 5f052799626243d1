"""A folder of pairs whose second images are brought onto the first ones, with the motion of each beside it."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from fusebench.datasets import cases, formats, image, layouts, registration, volumes
from fusebench.datasets.cases import Progress
from fusebench.datasets.pair import Entry
from fusebench.datasets.reading import AS_STATED, Reading
from fusebench.datasets.volumes import Volume

MOTIONS = ("rigid", "translation")
STEPS = (32, 96, 256)  # into which the longest side is divided, from coarse to fine
NIFTI = (".nii", ".nii.gz")


class Aligned(NamedTuple):
    """A pair whose second image was brought onto the first, the mutual information in bits before and after, and how.

    Of a case that is two volumes `name` is the case's.
    """

    kind: str
    name: str
    before: float
    after: float
    transform: Path


def align(
    entries: Sequence[Entry],
    out: Path,
    motion: str = "rigid",
    reading: Reading = AS_STATED,
    progress: Progress = lambda *_: None,
) -> tuple[list[Aligned], list[str]]:
    """Write each pair into `out`, KIND/{A,B}/NAME: the first file as it is, the second on its grid.

    The motion is that at which the two tell most of each other (`registration.align`), looked for in what is seen
    through the windows; what is moved are the numbers that the file holds, by linear interpolation, and what comes from
    outside has the least of them. Beside the second image lies the motion as a file of ITK, NAME.tfm, from places in
    the first to places in the second: of volumes in mm (LPS), of pictures in pixels. A volume is written as NIfTI.

    Returns
    -------
    What was written, and what could not be aligned, a line each.

    Raises
    ------
    ValueError
        If the motion is unknown, `out` is not empty, or SimpleITK is not installed.
    """
    if motion not in MOTIONS:
        raise ValueError(f"no motion is called {motion!r}; known: {', '.join(MOTIONS)}")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ValueError(f"{out}: is there already, and nothing is overwritten; name a new folder")
    if not registration.is_there():
        raise ValueError(f"aligning needs SimpleITK, which is not installed; {registration.CURE}")
    done: list[Aligned] = []
    problems: list[str] = []
    jobs = _jobs(entries)
    for n, (kind, name, entry) in enumerate(jobs):
        progress(f"{kind}/{name}", n, len(jobs))
        try:
            done.append(_one((kind, name), entry, out, motion, reading))
        except ValueError as error:
            problems.append(str(error))
    return done, problems


def _jobs(entries: Iterable[Entry]) -> list[tuple[str, str, Entry]]:
    """List what is aligned: each pair of images, and of the slices of two volumes the first."""
    jobs: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        jobs.setdefault((entry.kind, cases.volume(entry.name) or _of_series(entry) or entry.name), entry)
    return [(kind, name, entry) for (kind, name), entry in jobs.items()]


def _of_series(entry: Entry) -> str | None:
    first, _ = layouts.files(entry)
    return entry.case if formats.of(formats.split(first)[0]).series else None


def _one(at: tuple[str, str], entry: Entry, out: Path, motion: str, reading: Reading) -> Aligned:
    kind, name = at
    files = [formats.split(path)[0] for path in layouts.files(entry)]
    modalities = layouts.modalities(entry)
    folders = [out / kind / modality for modality in modalities]
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
    if found := formats.as_volumes(*files):
        to = [folder / f"{name}.nii.gz" for folder in folders]
        before, after, transform = _volumes(found, modalities, to, motion, reading)
    elif other := next((path for path in files if not formats.is_picture(path)), None):
        raise ValueError(f"{other}: neither a picture nor a volume, which alone are aligned; store it as one of them")
    else:
        before, after, transform = _pictures(entry, files, folders, name, motion)
    beside = folders[1] / f"{name}.tfm"
    registration.write(transform, beside)
    return Aligned(kind, name, before, after, beside)


def _volumes(
    pair: tuple[Volume, Volume], modalities: tuple[str, str], to: list[Path], motion: str, reading: Reading
) -> tuple[float, float, Any]:
    first, second = pair
    seen = [
        registration.image(*volumes.whole(volume, modality, reading))
        for volume, modality in zip(pair, modalities, strict=True)
    ]
    found, before, after = registration.align(*seen, rigid=motion == "rigid", steps=STEPS[:2])
    values, affine = volumes.stored(second, reading)
    onto, grid = volumes.stored(first, reading)
    moved = registration.resampled(registration.image(values, affine), registration.image(onto, grid), found)
    kept = formats.suffix(first.path) in NIFTI and first.count == 1
    if kept:
        suffix = formats.suffix(first.path)
        shutil.copyfile(first.path, to[0].with_name(to[0].name.replace(".nii.gz", suffix)))
    else:
        volumes.write(onto, grid, to[0], first.window)
    volumes.write(moved, grid, to[1], second.window)
    return before, after, found


def _pictures(entry: Entry, files: list[Path], folders: list[Path], name: str, motion: str) -> tuple[float, float, Any]:
    pair = entry.read()
    onto, other = (registration.picture(grey.numpy()) for grey in (pair.a, pair.b))
    found, before, after = registration.align(onto, other, rigid=motion == "rigid", steps=STEPS)
    pixels = image.pixels(files[1])
    channels: list[npt.NDArray[Any]] = [pixels] if pixels.ndim == 2 else [*np.moveaxis(pixels, -1, 0)]
    moved = [registration.resampled(registration.picture(channel), onto, found).round() for channel in channels]
    stacked = moved[0] if pixels.ndim == 2 else np.stack(moved, axis=-1)
    shutil.copyfile(files[0], folders[0] / f"{name}{files[0].suffix}")
    image.write_pixels(stacked.astype(pixels.dtype), folders[1] / f"{name}.png")
    return before, after, found
