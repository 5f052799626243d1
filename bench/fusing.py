"""One pair, or slices of two volumes, fused and written: what `fusebench fuse` does."""

from pathlib import Path
from typing import NamedTuple

import torch
from fusebench.bench.engine import work
from fusebench.datasets import colour, formats, image, writing
from fusebench.datasets.cases import Progress, Say
from fusebench.datasets.pair import Pair
from fusebench.datasets.reading import Reading
from fusebench.fusers.base import Fuser, label
from torch import Tensor

NIFTI = (".nii", ".nii.gz")
FORMATS = ("nifti", "dicom")


class Target(NamedTuple):
    """Where results go: one picture, one NIfTI file, or a folder of pictures and what is written beside them."""

    path: Path
    slices: str | None
    also: tuple[str, ...]
    keep_identity: bool

    @property
    def is_file(self) -> bool:
        """Whether it is one file."""
        return formats.suffix(self.path) in (*image.LOSSLESS, *NIFTI)


class Look(NamedTuple):
    """How a fused picture is shown: a source, 0 or 1, in the colours of a table over it; and whether in grey."""

    source: int | None = None
    table: str = ""
    opacity: float = 0.5
    grey: bool = False


def target(
    out: Path, sources: tuple[Path, Path], slices: str | None, also: str | None, *, keep_identity: bool
) -> Target:
    """Say where results go.

    Raises
    ------
    ValueError
        If the path is a source or lies in no folder, or options do not go together.
    """
    formats_beside = tuple(also.split(",")) if also else ()
    found = Target(out, slices, formats_beside, keep_identity)
    _check_options(found)
    if out.exists() and any(out.samefile(source) for source in sources if source.exists()):
        raise ValueError(f"{out}: is a source; name another file to write")
    if out.exists() and not found.is_file and not out.is_dir():
        raise ValueError(f"{out}: is a file; the slices need a folder")
    if not out.parent.is_dir():
        raise ValueError(f"{out}: there is no folder {out.parent}")
    return found


def _check_options(to: Target) -> None:
    out, slices, beside = to.path, to.slices, ",".join(to.also)
    if unknown := set(to.also) - set(FORMATS):
        raise ValueError(f"--also {beside}: no format is called {min(unknown)!r}; known: {', '.join(FORMATS)}")
    if to.also and (slices is None or to.is_file):
        raise ValueError(f"--also {beside}: slices are written so into a folder; name them with --slices, and a folder")
    if to.keep_identity and "dicom" not in to.also:
        raise ValueError("--keep-identity: is for DICOM results, --also dicom")
    if to.is_file:
        if formats.suffix(out) in NIFTI and slices is None:
            raise ValueError(f"{out}: NIfTI holds the slices of a volume; name them with --slices, all with --slices :")
        if formats.suffix(out) in image.LOSSLESS and slices is not None and ":" in slices:
            raise ValueError(f"{out}: one picture for several slices; name a folder, or a file that ends in .nii.gz")
    elif slices is None:
        raise ValueError(f"{out}: images are written without loss; name it {', '.join(image.LOSSLESS)}")


def look(text: str | None, *, grey: bool) -> Look:
    """Read how a picture is to be shown, SOURCE=TABLE[,OPACITY]. Raises ValueError.

    Examples
    --------
    >>> look("b=hot,0.3", grey=False)
    Look(source=1, table='hot', opacity=0.3, grey=False)
    """
    if text is None:
        return Look(grey=grey)
    source, _, rest = text.partition("=")
    table, comma, opacity = rest.partition(",")
    try:
        found = Look("ab".index(source or "?"), table, float(opacity) if comma else 0.5, grey)
    except ValueError:
        raise ValueError(
            f"--show {text}: expected a or b, =, a colour table and an opacity, such as b=hot,0.5"
        ) from None
    if grey:
        raise ValueError(f"--show {text}: shows colour, and --grey none; leave one of them away")
    colour.overlay(torch.zeros(1, 1), torch.zeros(1, 1), found.table, found.opacity)  # refuses what is no table
    return found


def fuse(
    fuser: Fuser,
    sources: tuple[Path, Path],
    to: Target,
    as_shown: Look,
    *,
    reading: Reading,
    device: str,
    progress: Progress,
    say: Say,
) -> str:
    """Fuse what the files show and write it; give in words what was written.

    Raises
    ------
    ValueError
        If a file cannot be read, the two do not go together, or the fuser breaks its contract.
    """
    a, b = sources
    numbers = [None] if to.slices is None else formats.slices(a, to.slices, reading)
    if to.keep_identity:
        writing.identity(formats.volume(a))  # refuses a source that has none before the work
    fused: list[Tensor] = []
    pictures: list[Tensor] = []
    for done, number in enumerate(numbers):
        progress(label(fuser), done, len(numbers))
        at = a if number is None else a.with_name(f"{a.name}#{number}")
        pair = formats.read_pair(at, b, "fuse", reading=reading, say=say if done == 0 else lambda _: None)
        grey, coloured = work.fuse(fuser, pair, device)
        fused.append(grey)
        pictures.append(_shown(grey, coloured, pair, as_shown))
    if to.slices is None or (to.is_file and formats.suffix(to.path) in image.LOSSLESS):
        image.write(pictures[0], to.path)
        return str(to.path)
    named = {int(number): picture for number, picture in zip(numbers, pictures, strict=True) if number is not None}
    if to.is_file:
        writing.nifti(torch.stack(fused), formats.volume(a), min(named), to.path, reading)
        return f"{to.path}, {len(named)} slices"
    to.path.mkdir(exist_ok=True)
    for number, picture in named.items():
        image.write(picture, to.path / f"{formats.stem(a)}#{number}.png")
    return f"{to.path}, {len(named)} pictures" + _beside(
        torch.stack(fused), [*named], a, to, reading, method=label(fuser)
    )


def _shown(fused: Tensor, coloured: Tensor | None, pair: Pair, look: Look) -> Tensor:
    if look.source is not None:
        source = (pair.a, pair.b)[look.source]
        if pair.modalities[look.source] in pair.coloured:
            raise ValueError(
                f"--show: source {'ab'[look.source]} is coloured already; its colour is put back without it"
            )
        return image.quantise(colour.overlay(fused.double() / 255, source, look.table, look.opacity))
    return fused if look.grey or coloured is None else coloured


def _beside(fused: Tensor, numbers: list[int], a: Path, to: Target, reading: Reading, *, method: str) -> str:
    """Write the slices as what a viewer places, and give it in words."""
    first, name, said = formats.volume(a), formats.stem(a), ""
    if "nifti" in to.also:
        writing.nifti(fused, first, numbers[0], to.path / f"{name}.nii.gz", reading)
        said += f", {name}.nii.gz"
    if "dicom" in to.also:
        folder = to.path / "dicom"
        folder.mkdir(exist_ok=True)
        writing.secondary_captures(
            fused,
            first,
            numbers[0],
            [folder / f"{name}_{number}.dcm" for number in numbers],
            reading,
            derivation=f"Fused by {method}, fusebench",
            keep_identity=to.keep_identity,
        )
        said += ", dicom/"
    return said
