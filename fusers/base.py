"""What a fuser is, and how its name and options make the label of its row."""

import dataclasses
import re
from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple, Protocol, get_type_hints

from torch import Tensor


class Fuser(Protocol):
    """A named, deterministic map from two registered images to one.

    `a`, `b` and the result are tensors of shape (N, H, W), float32, in [0, 1], on one device. The leading axis is
    free: fusing a batch gives what fusing its pairs one by one gives. A fuser is a frozen dataclass; its fields
    are the method's options, checked when it is made, and name its row (`label`).

    A fuser may have these attributes too. The bench asks every fuser for them:

    `least`
        The smallest height and width it takes. Without it every size is fused.
    `weights_sha256`
        The digest of the file it reads, such as a network's weights: fused images are kept by it. None where what is
        read changes no image. Where there is a digest, fields that are never shown do not count for what an image is.
    `traces`
        A method (a, b) -> list of Trace, one for each pair (a[n], b[n]), that fuses them and tells the losses on the
        way. A run calls it instead of the fuser and writes the losses down.
    `title`
        What a paper calls it, such as "VGG16 + L-BFGS, conv1_2": tables and figures show it instead of the label.
    `reference`
        Who proposed it, and the year, such as "Li, Kang, Hu 2013": `fusebench list fusers` shows it.
    `parameters`
        How many numbers its network has, which tables show.
    `colour`
        True for a fuser of colour images: its sources and its result have shape (N, 3, H, W), sRGB in [0, 1]. The
        channels of a grey source are equal. What is scored by grey levels is the luma of its result.
    `slow`
        True where fusing a pair takes longer than scoring it. A run hands such a fuser out by itself, so that the other
        processes need not wait for one that has several of them.
    `drift`
        Where the 8-bit image depends on the processor: the largest change of a score that this makes, relative to the
        score or to 0.001.
    """

    name: ClassVar[str]

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        ...


class Named(Protocol):
    """What has a row in a table: a fuser, or anything else with a name and fields."""

    @property
    def name(self) -> str:
        """The name of the method."""
        ...


class Trace(NamedTuple):
    """How an iterative method fused one pair.

    Attributes
    ----------
    image
        The fused image, shape (H, W), float32, clipped to [0, 1].
    losses
        The loss at every evaluation, in their order; a line search may try a step that is worse and take it back.
    rounds
        For each round the number of evaluations made by its end; `losses[rounds[k - 1]:rounds[k]]` is round k. A method
        without rounds has one.
    approach
        The number of evaluations of other losses that led to the start, which are not in `losses`.
    saved
        For each round the loss of the 8-bit image that would be written at its end; empty where it is not known.
    """

    image: Tensor
    losses: tuple[float, ...]
    rounds: tuple[int, ...]
    approach: int = 0
    saved: tuple[float, ...] = ()

    @property
    def evaluations(self) -> int:
        """Number of evaluations of the loss."""
        return len(self.losses)

    @property
    def round_losses(self) -> tuple[float, ...]:
        """The least loss of each round, which is the loss of the image it ended with."""
        starts = (0, *self.rounds[:-1])
        return tuple(min(self.losses[start:end]) for start, end in zip(starts, self.rounds, strict=True))


# The label says what distinguishes a method: every option that is not at its default, and those the field always
# names with the method (a VGG16 fusion is always "at conv1_2").
ALWAYS_SHOWN = {"always_shown": True}
# What says where a method's things lie and not what it is.
NEVER_SHOWN = {"never_shown": True}


def check_class(cls: Any) -> None:
    """Raise TypeError unless a class is written as a fuser is: a frozen dataclass with a name that a folder can have.

    Examples
    --------
    >>> check_class(int)
    Traceback (most recent call last):
    TypeError: int is no frozen dataclass
    """
    if not isinstance(cls, type):
        raise TypeError(f"{cls!r} is no class")
    parameters = getattr(cls, "__dataclass_params__", None)
    if parameters is None or not parameters.frozen:
        raise TypeError(f"{cls.__name__} is no frozen dataclass")
    name = getattr(cls, "name", None)
    if not isinstance(name, str) or re.fullmatch(r"[^\s/\\\[\],=.][^/\\\[\],=\0]*", name) is None:
        raise TypeError(f"{cls.__name__}.name is {name!r}; expected a text without / \\ [ ] , =")
    if "__call__" not in {method for base in cls.__mro__ for method in vars(base)}:
        raise TypeError(f"{cls.__name__} has no __call__")


def label(fuser: Named) -> str:
    """Name a fuser's row: its name, then the options that differ from the defaults.

    Examples
    --------
    >>> from fusebench.fusers.pixel.wavelet import Wavelet
    >>> label(Wavelet()), label(Wavelet(levels=2))
    ('wavelet', 'wavelet[levels=2]')
    """
    declared = dataclasses.fields(fuser)  # type: ignore[arg-type]  # a Protocol cannot say "dataclass"
    fields = [f for f in declared if not f.metadata.get("never_shown")]
    shown = [(f.name, getattr(fuser, f.name)) for f in fields if f.metadata.get("always_shown")]
    shown += [(f.name, getattr(fuser, f.name)) for f in fields if not f.metadata.get("always_shown")]
    defaults = {f.name: f.default for f in fields if not f.metadata.get("always_shown")}
    options = ",".join(f"{name}={spell(value)}" for name, value in shown if value != defaults.get(name))
    return f"{fuser.name}[{options}]" if options else fuser.name


def parse(text: str, known: Iterable[type[Fuser]]) -> Fuser:
    """Make the fuser that a label names; options left out take their defaults.

    Raises
    ------
    ValueError
        If no fuser has that name, an option is unknown or a value is not of the option's type.

    Examples
    --------
    >>> from fusebench.fusers.pixel.wavelet import Wavelet
    >>> parse("wavelet[levels=2,wavelet=db4]", [Wavelet])
    Wavelet(wavelet='db4', levels=2)
    """
    classes = {cls.name: cls for cls in known}
    match = re.fullmatch(r"([^\[\]]+)(?:\[([^\[\]]*)\])?", text.strip())
    if match is None:
        raise ValueError(f"{text!r} is no label of a fuser; expected NAME or NAME[option=value,...]")
    name, options = match[1].strip(), match[2] or ""
    if name not in classes:
        raise ValueError(f"no fuser is called {name!r}; known: {', '.join(classes)}")
    cls = classes[name]
    types = {f.name: get_type_hints(cls)[f.name] for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for option in filter(None, (part.strip() for part in options.split(","))):
        key, equals, value = (part.strip() for part in option.partition("="))
        if not equals or key not in types:
            offered = ", ".join(types) or "none"
            raise ValueError(f"{name} has no option {option!r}; expected option=value with one of: {offered}")
        if key in values:
            raise ValueError(f"{name}: the option {key} is given twice")
        values[key] = _read(value, types[key], f"{name}[{option}]")
    return cls(**values)


def spell(value: object) -> str:
    """Write an option's value as a label has it.

    Examples
    --------
    >>> spell((2, 2, 3)), spell("haar")
    ('2-2-3', 'haar')
    """
    return "-".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _read(value: str, kind: Any, where: str) -> Any:
    try:
        if kind is bool:
            return {"True": True, "true": True, "False": False, "false": False}[value]
        if kind == tuple[int, ...]:
            return tuple(int(part) for part in value.split("-"))
        if kind == tuple[str, ...]:
            return tuple(value.split("-"))
        return kind(value)
    except (KeyError, ValueError):
        expected = {
            bool: "true or false",
            tuple[int, ...]: "numbers joined by hyphens",
            tuple[str, ...]: "words joined by hyphens",
        }.get(kind, kind.__name__)
        raise ValueError(f"{where}: {value!r} is not what the option takes ({expected})") from None
