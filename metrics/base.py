"""What a metric is, in one record; the work metrics share, and the grey levels they start from."""

import inspect
import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial, wraps
from typing import Any, TypeVar
from weakref import ref

import torch
from fusebench.metrics.maps import Local, inside
from torch import Tensor

Made = TypeVar("Made")
# What a function of a record gives: scores, or what is pooled to scores.
Value = TypeVar("Value", Tensor, Local)
_made: ContextVar[dict[Any, Any] | None] = ContextVar("made", default=None)

# Shared results are kept up to this many bytes, and fused images scored in portions of about this many pixels.
KEPT, PORTION = 1 << 29, 1 << 22

# Fused images that fuse nothing: constant ones, noise, and the average of the sources at an eighth of its contrast.
DEGENERATE = ("black", "grey", "white", "noise", "contrast / 8")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One definition of one metric: how it is scored, how a table shows it, and what is known of its values.

    The defaults are those of a similarity: a pure number from 0 to 1, which is 1 for equal images.

    Parameters
    ----------
    name
        The field's name for it, such as "MI".
    convention
        Whose definition this is: "seed" for the paper the bench began with, an author, or a code base.
    family
        What it looks at: "information", "gradient", "structure", "perception", "error" or "colour".
    source
        The paper, and the equation in it.
    formula
        The definition as LaTeX sets it; "" for a variant, whose function says what differs.
    map
        For a metric that averages local values: (a, b, fused), each (N, H, W), to its `Local`, the maps and how they
        are pooled. Images are uint8, or floating in [0, 1]. The sources may be (1, H, W) and stand for every fused
        image.
    score
        For any other: (a, b, fused) to (N,) float64. It takes a keyword `mask` too, unless it needs the whole image.
    unit
        Unit of the score, "" for a pure number.
    higher_is_better
        The direction, by which a table bolds; None where no value is the best.
    digits
        Digits behind the point in tables.
    variant
        Whether this is another than the bench's own definition of the name; its label then says whose it is.
    range
        The lowest and the highest score there is.
    identical
        The score of three equal images that are not constant; None where it depends on the image.
    constant
        The score of three equal constant images that are not black; None where it depends on their level.
    least
        The least side of an image that has a score.
    undefined
        Whether an image that is large enough can be without a score, NaN.
    infinite
        Whether a score can be infinite.
    ordered
        Why the order of the sources matters; "" where it does not.
    reach
        A value of the map depends on no pixel that is further away than this: 0 where each pixel counts for itself,
        infinite where something is made of the whole image first, such as a Fourier transform.
    float32
        The largest relative change of the score where the images are held as float32, which keeps a grey level to
        1.5e-5.
    rewards
        Which images of `DEGENERATE` may score better than the average of the sources: what this metric does not see.
    rounding
        The largest change of the score that the rounding of another processor or number of threads makes, relative to
        the score, or to 0.001 where that is larger. Only a variant that rests on rounding states another than the
        default; `make processors` measures it.

    Raises
    ------
    ValueError
        If the record has neither a map nor a score, or both.
    """

    name: str
    convention: str
    family: str
    source: str
    map: Callable[..., Local] | None = None
    score: Callable[..., Tensor] | None = None
    unit: str = ""
    higher_is_better: bool | None = True
    digits: int = 4
    formula: str = ""
    variant: bool = False
    range: tuple[float, float] = (0, 1)
    identical: float | None = 1
    constant: float | None = 1
    least: int = 3
    undefined: bool = False
    infinite: bool = False
    ordered: str = ""
    reach: float = 50
    float32: float = 1e-6
    rewards: tuple[str, ...] = ()
    rounding: float = 1e-9

    def __post_init__(self) -> None:
        if (self.map is None) == (self.score is None):
            raise ValueError(f"the record of {self.label} has either a map or a score")

    def __call__(self, a: Tensor, b: Tensor, fused: Tensor, mask: Tensor | None = None) -> Tensor:
        """Score fused images, (N,), inside a mask where one is given: NaN there if the metric is not local."""
        if self.map is not None:
            scores = self.map(a, b, fused).pool(mask)
        elif mask is None:
            scores = self.function(a, b, fused)
        elif self.local:
            scores = self.function(a, b, fused, mask=mask)
        else:
            scores = torch.full(fused.shape[:1], math.nan, dtype=torch.float64, device=fused.device)
        return scores + 0.0  # no score is -0

    @property
    def function(self) -> Callable[..., Any]:
        """The map or the score, whichever the record has: the code of this metric."""
        return self.map or self.score  # type: ignore[return-value]  # it has one of them

    @property
    def local(self) -> bool:
        """Whether it has a score inside a mask: it has a map, or its score takes a mask."""
        function = self.function
        if isinstance(function, partial):
            function = function.keywords.get("metric", function.func)  # see `of_fused`
        return self.map is not None or "mask" in inspect.signature(function).parameters

    @property
    def of_colour(self) -> bool:
        """Whether it takes colour images, (N, 3, H, W), instead of grey ones."""
        return self.family == "colour"

    @property
    def label(self) -> str:
        """Name of the column: "MI", or "MI@vifb" for a variant."""
        return f"{self.name}@{self.convention}" if self.variant else self.name


@contextmanager
def sharing() -> Iterator[None]:
    """Let metrics share work: inside, what a `shared` function makes of the same tensors is made once.

    What was made is kept while the tensors it was made of are there, at most until the end of the block. Where the
    memory is too small for all of it, what was not needed for longest goes, and is made again.
    """
    made: dict[Any, Any] = {}
    token = _made.set(made)
    try:
        yield
    finally:
        _made.reset(token)
        made.clear()


def shared(function: Callable[..., Made]) -> Callable[..., Made]:
    """Mark a function of tensors (and hashable values) as work that several metrics need.

    Its results are used by others, so nobody changes them in place.
    """

    @wraps(function)
    def once(*arguments: Any, **named: Any) -> Made:
        made = _made.get()
        if made is None:
            return function(*arguments, **named)
        # Tensors are told apart by their identities and not compared. When a tensor is deleted, what was made of it is
        # dropped, since a new tensor may get its identity, and since it would fill the memory.
        values = (*arguments, *named.values())
        key = (function, *named, *(id(x) if isinstance(x, Tensor) else x for x in values))
        if key not in made:
            result = function(*arguments, **named)
            watched = [ref(x, lambda _: made.pop(key, None)) for x in values if isinstance(x, Tensor)]
            made[key] = result, watched, _bytes(result)
            while sum(entry[2] for entry in made.values()) > KEPT and len(made) > 1:
                del made[next(iter(made))]
            return result
        made[key] = made.pop(key)  # the order is that of use
        kept: Made = made[key][0]
        return kept

    return once


def _bytes(result: Any) -> int:
    if isinstance(result, Tensor):
        return result.numel() * result.element_size()
    return sum(_bytes(part) for part in result) if isinstance(result, tuple | list) else 0


def score(
    a: Tensor, b: Tensor, fused: Tensor, metrics: Iterable[Metric], mask: Tensor | None = None
) -> dict[str, Tensor]:
    """Score fused images by several metrics, which share their work: label of the metric to (N,).

    Inside a mask, (1, H, W) or (N, H, W) bool, where one is given; see `maps.inside`.
    """
    metrics = tuple(metrics)
    scores: dict[str, list[Tensor]] = {metric.label: [] for metric in metrics}
    size = max(1, PORTION // fused.shape[1:].numel())
    with sharing():
        for n in range(0, max(1, fused.shape[0]), size):
            part = slice(n, n + size)
            x, y, f = (image if image.shape[0] == 1 else image[part] for image in (a, b, fused))
            where = mask if mask is None or mask.shape[0] == 1 else mask[part]
            for metric in metrics:
                scores[metric.label].append(metric(x, y, f, where))
    return {label: torch.cat(parts) for label, parts in scores.items()}


# How the function of a record is made of a function of one or two images. It gives what that gives, scores or a
# `Local`. A `partial` of these can be sent to another process.
def of_fused(a: Tensor, b: Tensor, fused: Tensor, *, metric: Callable[..., Value], **options: Any) -> Value:
    """Score the fused image by a metric that does not look at the sources."""
    del a, b
    return metric(fused, **options)


def sum_over_sources(a: Tensor, b: Tensor, fused: Tensor, *, metric: Callable[..., Value], **options: Any) -> Value:
    """Add a metric of one source and the fused image over both sources."""
    return metric(a, fused, **options) + metric(b, fused, **options)


def mean_over_sources(a: Tensor, b: Tensor, fused: Tensor, *, metric: Callable[..., Value], **options: Any) -> Value:
    """Average a metric of one source and the fused image over both sources."""
    return 0.5 * sum_over_sources(a, b, fused, metric=metric, **options)


def scaled(
    a: Tensor, b: Tensor, fused: Tensor, *, metric: Callable[..., Value], factor: float, **options: Any
) -> Value:
    """Multiply a metric by a number."""
    return factor * metric(a, b, fused, **options)


@shared
def grey_levels(image: Tensor) -> Tensor:
    """Give an image's grey levels as float64 from 0 to 255.

    The type says the scale: uint8 is taken as it is, a floating image lies in [0, 1] and is multiplied by 255.

    Raises
    ------
    TypeError
        If the image is no tensor.
    ValueError
        If the image is not (N, H, W) with H, W >= 2, not of those types, not finite, or out of its range.

    Examples
    --------
    >>> grey_levels(torch.tensor([[[0, 255], [51, 0]]], dtype=torch.uint8)).tolist()
    [[[0.0, 255.0], [51.0, 0.0]]]
    >>> grey_levels(torch.tensor([[[0.0, 1.0], [0.2, 0.0]]], dtype=torch.float64)).tolist()
    [[[0.0, 255.0], [51.0, 0.0]]]
    """
    _batches(image)
    if image.dtype == torch.uint8:
        return image.double()
    if not image.is_floating_point():
        raise ValueError(f"a metric takes uint8 or floating images, not {image.dtype}")
    if not torch.isfinite(image).all():
        raise ValueError("a metric takes finite images; this one has NaN or infinite pixels")
    low, high = image.min().item(), image.max().item()
    if low < 0 or high > 1:
        raise ValueError(f"floating images lie in [0, 1], not from {low:g} to {high:g}; 0 to 255 is for uint8")
    return 255 * image.double()


def comparable(*images: Tensor) -> tuple[Tensor, ...]:
    """Give the grey levels of images that are compared pixel by pixel.

    Raises
    ------
    ValueError
        See `same_size` and `grey_levels`.

    Examples
    --------
    >>> a, f = comparable(torch.zeros(1, 2, 2), torch.ones(3, 2, 2))
    >>> (f - a).shape
    torch.Size([3, 2, 2])
    """
    levels = tuple(grey_levels(image) for image in images)
    same_size(*images)
    return levels


@shared
def grey_codes(image: Tensor) -> Tensor:
    """Give the nearest of the 256 grey levels as int64; half way, the even one, as the bench writes images.

    Examples
    --------
    >>> grey_codes(torch.full((1, 2, 2), 0.5)).tolist()
    [[[128, 128], [128, 128]]]
    """
    return grey_levels(image).round().long()


@shared
def stretched(image: Tensor, *, mask: Tensor | None = None) -> Tensor:
    """Spread an image's grey levels over 0 to 255, rounded half up, as uint8.

    Some codes do it to every image before they score it. The levels stay distinct, so entropies do not change. A
    constant image is left as it is; those codes fail on one that is not black. With a mask, the levels inside it are
    spread, and what lies outside is cut at 0 and 255.

    Examples
    --------
    >>> stretched(torch.tensor([[[10, 11], [12, 12]]], dtype=torch.uint8)).tolist()
    [[[0, 128], [255, 255]]]
    """
    codes = grey_codes(image)
    low = inside(codes, mask, 255).amin(dim=(-2, -1), keepdim=True)
    high = inside(codes, mask, 0).amax(dim=(-2, -1), keepdim=True)
    spread = ((codes - low) / (high - low).clamp(min=1) * 255 + 0.5).floor().clamp(0, 255)
    return torch.where(high > low, spread, codes).to(torch.uint8)


def same_size(*images: Tensor) -> None:
    """Check that images can be compared: one height and width, and one number of images or a single one.

    Raises
    ------
    TypeError
        If one is no tensor.
    ValueError
        If they cannot.
    """
    _batches(*images)
    counts = {image.shape[0] for image in images} - {1}
    if len(counts) > 1 or len({image.shape[1:] for image in images}) > 1:
        shapes = " and ".join(str(tuple(image.shape)) for image in images)
        raise ValueError(f"images of one size are compared, not {shapes}")


def _batches(*images: object) -> None:
    """Check that these are tensors (N, H, W); a first caller often has a NumPy array or a single image."""
    for image in images:
        if not isinstance(image, Tensor):
            raise TypeError(
                f"a metric takes torch tensors (N, H, W), not {type(image).__module__}.{type(image).__name__}; "
                "torch.from_numpy(x)[None] makes one of a NumPy image x"
            )
        if image.ndim != 3 or min(image.shape[1:]) < 2:
            cure = "; x[None] makes a batch of an image x" if image.ndim == 2 else ""
            raise ValueError(f"a metric takes images (N, H, W), at least 2 x 2, not {tuple(image.shape)}{cure}")
