"""The contract of a fuser, clause by clause, for those who write one: `fusebench test-fuser`."""

from collections.abc import Callable
from typing import NamedTuple

import cloudpickle
import torch
from fusebench.fusers import foreign
from fusebench.fusers.base import Fuser, check_class, label, parse
from torch import Tensor

SIZES = ((16, 16), (17, 23))  # even, and odd and oblong
GREY_LEVEL = 1 / 255


class Finding(NamedTuple):
    """A clause, and in which way a fuser breaks it; "" where it keeps it."""

    clause: str
    problem: str


def check(fuser: Fuser, device: str = "cpu") -> list[Finding]:
    """Hold a fuser against every clause.

    Sources are noise of a fixed seed, 16 x 16 and 17 x 23 pixels, or so much larger as the fuser's `least` demands;
    coloured for a fuser of colour images.
    What the fuser prints goes to stderr.

    Examples
    --------
    >>> from fusebench.fusers.pixel.trivial import Average
    >>> {finding.problem for finding in check(Average())}
    {''}
    """
    return [Finding(clause, _problem(test, fuser, device)) for clause, test in CLAUSES.items()]


def _problem(test: Callable[[Fuser, str], str], fuser: Fuser, device: str) -> str:
    try:
        with foreign.watching(type(fuser), type(fuser).__name__):
            return test(fuser, device)
    except Exception as error:  # noqa: BLE001  whatever a fuser raises breaks the clause
        return " ".join(f"{type(error).__name__}: {error}".split())


def _is_a_dataclass(fuser: Fuser, _: str) -> str:
    check_class(type(fuser))
    # A dataclass without a docstring is given its signature for one.
    written = not (type(fuser).__doc__ or "").startswith(f"{type(fuser).__name__}(")
    return "" if written else "it has no docstring, whose first line `fusebench list fusers` shows"


def _is_made_by_its_label(fuser: Fuser, _: str) -> str:
    again = parse(label(fuser), [type(fuser)])
    return "" if again == fuser and hash(again) == hash(fuser) else f"{label(fuser)} makes {again}"


def _travels(fuser: Fuser, _: str) -> str:
    # As workers get it: what no module has, such as the class of a plain function, travels by value.
    copy = cloudpickle.loads(cloudpickle.dumps(fuser))
    return "" if label(copy) == label(fuser) else "a pickled copy differs"


def _gives_an_image(fuser: Fuser, device: str) -> str:
    for a, b in _sources(fuser, device):
        fused = fuser(a.clone(), b.clone())
        if not isinstance(fused, Tensor) or fused.dtype != torch.float32 or fused.shape != a.shape:
            found = f"{fused.dtype} {tuple(fused.shape)}" if isinstance(fused, Tensor) else type(fused).__name__
            return f"{found} of sources {tuple(a.shape)}; expected float32 of their shape"
    return ""


def _stays_in_range(fuser: Fuser, device: str) -> str:
    flat = [(torch.full_like(a, x), torch.full_like(a, y)) for a, _ in _sources(fuser, device) for x, y in FLAT]
    for a, b in _sources(fuser, device) + flat:
        fused = fuser(a.clone(), b.clone())
        if not torch.isfinite(fused).all():
            return "NaN or infinite pixels" + (" of flat sources" if a.min() == a.max() else "")
        if fused.min() < 0 or fused.max() > 1:
            return f"from {fused.min().item():g} to {fused.max().item():g}"
    return ""


def _is_deterministic(fuser: Fuser, device: str) -> str:
    for a, b in _sources(fuser, device):
        once, again = fuser(a.clone(), b.clone()), fuser(a.clone(), b.clone())
        if not torch.equal(once, again):
            return f"two calls differ by up to {(once - again).abs().max().item():.3g}"
    return ""


def _leaves_its_sources(fuser: Fuser, device: str) -> str:
    for a, b in _sources(fuser, device):
        mine = a.clone(), b.clone()
        fuser(*mine)
        if not (torch.equal(mine[0], a) and torch.equal(mine[1], b)):
            return "it changed one"
    return ""


def _takes_batches(fuser: Fuser, device: str) -> str:
    for a, b in _sources(fuser, device):
        alone = torch.cat([fuser(a[n : n + 1].clone(), b[n : n + 1].clone()) for n in range(len(a))])
        difference = (fuser(a.clone(), b.clone()) - alone).abs().max().item()
        if not difference <= GREY_LEVEL:
            return f"a batch differs from its pairs by {difference / GREY_LEVEL:.3g} grey levels"
    return ""


def _stays_on_the_device(fuser: Fuser, device: str) -> str:
    for a, b in _sources(fuser, device):
        if (found := fuser(a.clone(), b.clone()).device) != a.device:
            return f"sources on {a.device}, the result on {found}"
    return ""


def _names_what_it_reads(fuser: Fuser, _: str) -> str:
    # What it read is known from its import and from the clauses above.
    return foreign.doubt(fuser)


FLAT = ((0.0, 0.0), (1.0, 1.0), (0.0, 1.0))

CLAUSES: dict[str, Callable[[Fuser, str], str]] = {
    "it is a frozen dataclass with a name and a docstring": _is_a_dataclass,
    "its label makes it again": _is_made_by_its_label,
    "it can be sent to a worker": _travels,
    "float32 in the sources' shape, of odd sizes too": _gives_an_image,
    "finite, in [0, 1], of flat sources too": _stays_in_range,
    "two calls give the same to the bit": _is_deterministic,
    "its sources stay as they were": _leaves_its_sources,
    "a batch gives what its pairs give, to a grey level": _takes_batches,
    "the result is on the sources' device": _stays_on_the_device,
    "of files that it reads it names the digest": _names_what_it_reads,
}


def _sources(fuser: Fuser, device: str) -> list[tuple[Tensor, Tensor]]:
    noise = torch.Generator().manual_seed(0)
    least = getattr(fuser, "least", 1)
    sizes = [(max(height, least), max(width, least)) for height, width in SIZES]
    channels = (3,) if getattr(fuser, "colour", False) else ()
    return [(a, b) for a, b in (torch.rand(2, 2, *channels, *size, generator=noise).to(device) for size in sizes)]
