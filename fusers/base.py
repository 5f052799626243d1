"""What a fuser is, and how its name and options make the label of its row."""

import dataclasses
import re
from collections.abc import Iterable
from typing import Any, ClassVar, Protocol, get_type_hints

from torch import Tensor


class Fuser(Protocol):
    """A named, deterministic map from two registered images to one.

    `a`, `b` and the result are tensors of shape (N, H, W), float32, in [0, 1], on one device. The leading axis is
    free: fusing a batch gives what fusing its pairs one by one gives. A fuser is a frozen dataclass; its fields
    are the method's options, checked when it is made, and name its row (`label`). One that does not take every size
    has an attribute `least`, the smallest height and width it takes; one that reads a file names its digest in an
    attribute `weights_sha256`. One whose 8-bit image depends on the processor has an attribute `drift`, the largest
    change of a score that this makes, relative to the score or to 0.001.
    """

    name: ClassVar[str]

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        ...


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


def label(fuser: Fuser) -> str:
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
        return kind(value)
    except (KeyError, ValueError):
        expected = {bool: "true or false", tuple[int, ...]: "numbers joined by hyphens"}.get(kind, kind.__name__)
        raise ValueError(f"{where}: {value!r} is not what the option takes ({expected})") from None
