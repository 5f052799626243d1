"""The gate: what a registered pair is, and every check on it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from fusebench.datasets import colour
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Pair:
    """Two registered views of one slice.

    Images are checked here, once, and trusted inside.

    Parameters
    ----------
    a, b
        The source images: grey, shape (H, W), at least 2 x 2, float32, in [0, 1].
    kind
        The kind of pair, such as "CT-MRI"; scores are averaged within it.
    name
        Names the pair within its kind.
    case
        The patient or scene; None where it is not known. Slices of one case are correlated, so statistics count cases.
    modalities
        What a and b show, such as ("CT", "MRI").
    chromas
        The colour of a and of b: (Cb, Cr), shape (2, H, W), float32, in [-0.5, 0.5]; None for a grey one.
    synthetic
        Whether the images are simulated; said wherever they are shown.
    sides
        What lies at the left and at the right edge: R and L of the patient, A and P (front and back); None where it is
        not known.

    Raises
    ------
    ValueError
        If a demand above is not met; the message names the pair and what was found.

    Examples
    --------
    >>> pair = Pair(torch.zeros(4, 6), torch.ones(4, 6), kind="CT-MRI", name="2012", case="2")
    >>> pair.size
    (4, 6)
    """

    a: Tensor
    b: Tensor
    kind: str
    name: str
    case: str | None
    modalities: tuple[str, str] = ("a", "b")
    chromas: tuple[Tensor | None, Tensor | None] = (None, None)
    synthetic: bool = False
    sides: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        where = f"{self.kind}/{self.name}"
        for source, modality in ((self.a, self.modalities[0]), (self.b, self.modalities[1])):
            check_image(source, f"{where} ({modality})")
        if self.a.shape != self.b.shape:
            raise ValueError(
                f"{where}: {self.modalities[0]} is {_size(self.a)} but {self.modalities[1]} is {_size(self.b)} "
                "pixels; a registered pair has one size"
            )
        for chroma in self.chromas:
            if chroma is not None:
                _check_chroma(chroma, self.size, where)

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.a.shape[0], self.a.shape[1]

    @property
    def coloured(self) -> tuple[str, ...]:
        """The modalities whose images came in colour."""
        return tuple(name for name, chroma in zip(self.modalities, self.chromas, strict=True) if chroma is not None)

    @property
    def chroma(self) -> Tensor | None:
        """The chroma with which a grey fusion is shown (`colour.merge`); None where both sources are grey."""
        return colour.merge(*self.chromas)

    @property
    def channels(self) -> tuple[Tensor, Tensor]:
        """Both sources in colour, (3, H, W) each, float32, in [0, 1]; the channels of a grey one are equal."""
        a, b = (colour.channels(grey, chroma) for grey, chroma in zip((self.a, self.b), self.chromas, strict=True))
        return a, b


@dataclass(frozen=True)
class Entry:
    """A pair that is known but not yet read, so that a thousand of them weigh nothing.

    `dataset` names where it comes from: a data set of the bench, or a folder.

    Raises
    ------
    ValueError
        If the kind or the name could not be a file's: results are written under them.

    Examples
    --------
    >>> entry = Entry("CT-MRI", "2012", "2", lambda: Pair(torch.zeros(4, 6), torch.ones(4, 6), "CT-MRI", "2012", "2"))
    >>> entry.read().size
    (4, 6)
    """

    kind: str
    name: str
    case: str | None
    read: Callable[[], Pair]
    dataset: str = ""

    def __post_init__(self) -> None:
        check_name(self.kind)
        check_name(self.name)


def check_name(name: str, what: str = "a pair or a kind of pair") -> None:
    """Raise ValueError unless `name` can name a file in any folder: one part of a path, printable, not too long."""
    # File systems take 255 bytes, an extension and a mark of what is half written among them.
    if (
        not name.isprintable()
        or name in {"", ".", ".."}
        or set(name) & set("/\\")
        or len(name.encode("utf-8", "surrogateescape")) > 200
    ):
        raise ValueError(
            f"{name!r}: no name for {what}; it has to be one part of a path, printable, of at most 200 bytes"
        )


def check_image(image: Tensor, where: str) -> None:
    """Raise ValueError unless `image` is a grey image: (H, W), at least 2 x 2, float32, finite, in [0, 1]."""
    if not isinstance(image, Tensor) or image.dtype != torch.float32:
        found = getattr(image, "dtype", type(image).__name__)
        raise ValueError(f"{where}: an image is a float32 tensor, this is {found}")
    if image.ndim != 2:
        raise ValueError(f"{where}: a grey image has shape (H, W), this one {tuple(image.shape)}")
    if min(image.shape) < 2:
        # Every gradient, texture and structure measure needs a neighbour in both directions.
        raise ValueError(f"{where}: {_size(image)} pixels; at least 2 x 2 are needed")
    if not torch.isfinite(image).all():
        count = int((~torch.isfinite(image)).sum())
        raise ValueError(f"{where}: {count} pixels are NaN or infinite")
    low, high = image.min().item(), image.max().item()
    if low < 0 or high > 1:
        raise ValueError(f"{where}: values from {low:g} to {high:g}; images lie in [0, 1]")


def _check_chroma(chroma: Tensor, size: tuple[int, int], where: str) -> None:
    if chroma.dtype != torch.float32 or chroma.shape != (2, *size):
        raise ValueError(
            f"{where}: chroma is {chroma.dtype} {tuple(chroma.shape)}; float32 {(2, *size)} (Cb, Cr) was expected"
        )
    if not (chroma.abs() <= 0.5).all():
        raise ValueError(f"{where}: chroma must be finite and lie in [-0.5, 0.5]")


def _size(image: Tensor) -> str:
    return f"{image.shape[-2]} x {image.shape[-1]}"
