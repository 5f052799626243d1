"""A plain function of two NumPy images as a fuser: for whoever has one and needs no class."""

import dataclasses
import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
import torch
from fusebench.fusers.base import Fuser, check_class
from fusebench.fusers.foreign import home
from torch import Tensor

Function = Callable[..., Any]


def fuser(name: str) -> Callable[[Function], type[Fuser]]:
    """Make a fuser's class of a function: its arguments with numbers, texts or truths for defaults are the options.

    The function takes two images (H, W), float32 in [0, 1], as NumPy arrays, and returns their fusion. The class stands
    in its place, so that a suite, `test-fuser` and worker processes find it by its name in the module; the function is
    the class's attribute `function`.

    Raises
    ------
    TypeError
        If the name is none that a folder can have, or an option has no default.

    Examples
    --------
    >>> @fuser("weighted")
    ... def weighted(a, b, weight=0.5):
    ...     "Weigh the sources."
    ...     return weight * a + (1 - weight) * b
    >>> weighted(weight=0.25)(torch.zeros(1, 1, 1), torch.ones(1, 1, 1)).item()
    0.75
    """

    def made(function: Function) -> type[Fuser]:
        _, _, *options = inspect.signature(function, eval_str=True).parameters.values()
        fields: list[Any] = []
        for option in options:
            if option.default is option.empty:
                raise TypeError(f"{name}: its option {option.name} has no default")
            if isinstance(option.default, bool | int | float | str):
                fields.append((option.name, type(option.default), dataclasses.field(default=option.default)))

        def call(self: Any, a: Tensor, b: Tensor) -> Tensor:
            """Fuse pair by pair."""
            return _each(function, a, b, dataclasses.asdict(self))

        cls = dataclasses.make_dataclass(
            getattr(function, "__name__", "Function"),
            [("name", ClassVar[str], dataclasses.field(default=name)), *fields],
            frozen=True,
            namespace={"__call__": call, "__doc__": function.__doc__, "function": function},
        )
        cls.__module__, cls.__qualname__ = home(function), getattr(function, "__qualname__", cls.__name__)
        check_class(cls)
        return cls

    return made


def _each(function: Function, a: Tensor, b: Tensor, options: dict[str, Any]) -> Tensor:
    fused = [
        np.asarray(function(x, y, **options), dtype=np.float32)
        for x, y in zip(a.cpu().numpy(), b.cpu().numpy(), strict=True)
    ]
    return torch.from_numpy(np.stack(fused)).to(a.device)
