"""What a worker does: fuse a pair, quantise it, score it, and hand back small things. It writes no file."""

import hashlib
import math
import time
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache, cached_property
from typing import NamedTuple, TypeVar

import torch
from fusebench.bench.engine.deadline import deadline
from fusebench.bench.external import AnyFuser, part
from fusebench.datasets import colour
from fusebench.datasets.image import from_png, png, quantise
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers import foreign
from fusebench.fusers.base import Fuser, Trace, label
from fusebench.metrics.base import Metric, sharing
from torch import Tensor

T = TypeVar("T")

Losses = tuple[tuple[int, int, float, float], ...]  # (round, evaluation, loss, saved) of an iterative fuser


class Row(NamedTuple):
    """A fuser and the metrics its result is scored by.

    Where the fused images are there already, `fused` holds them as PNG, one of each pair, and `coloured` those in
    colour, where there are some; they are scored only. Else a pair is fused, `twice` to see whether that gives the
    same.
    """

    fuser: AnyFuser
    metrics: tuple[Metric, ...]
    fused: tuple[bytes, ...] = ()
    coloured: tuple[bytes | None, ...] = ()
    twice: bool = False


class Task(NamedTuple):
    """What a worker does at once: fusers on one pair, whose sources then cost a metric's work once.

    On a GPU a batch of pairs of one size stands for the pair. `sha256` is of the pairs' pixels when the run began.
    """

    entries: tuple[Entry, ...]
    sha256: tuple[str, ...]
    rows: tuple[Row, ...]
    device: str = "cpu"
    timeout: float | None = None

    @property
    def names(self) -> list[tuple[str, str, str]]:
        """Dataset, pair and label of each item."""
        return [(entry.kind, entry.name, label(row.fuser)) for row in self.rows for entry in self.entries]

    def singly(self) -> list["Task"]:
        """Give a task for each fuser."""
        return [self._replace(rows=(row,)) for row in self.rows]


class Outcome(NamedTuple):
    """What came of one fuser on one pair: scores and images as PNG, or why there are none.

    There are no images where they were there before. `failure` says why a fuser gave none, `failures` which metrics
    gave no score, and `doubt` why the image may be another next time. The seconds are those of the call and of scoring,
    by the clock; of pairs that are computed together each has its part. Nobody called a fuser whose images were there.
    """

    kind: str
    pair: str
    fuser: str
    scores: dict[str, float]
    failures: tuple[tuple[str, str], ...] = ()  # metric and reason
    losses: Losses = ()
    fused: bytes = b""
    colour: bytes | None = None
    failure: str = ""
    doubt: str = ""
    fuse_seconds: float | None = None
    score_seconds: float = 0.0


def work(task: Task) -> list[Outcome]:
    """Do a task: an outcome for each of its items, in the order of `Task.names`.

    A fuser that raises, does not come back in time, changes its sources or returns what is no image is an outcome too
    and stops no other; so is a metric that raises. A pair is fused and scored as a batch of one, so a score does not
    depend on what else is computed beside it.
    """
    try:
        pairs = [_read(entry, sha256) for entry, sha256 in zip(task.entries, task.sha256, strict=True)]
    except Exception as error:  # noqa: BLE001  whatever a file that was good has become
        return failed(task, _say(error))
    a, b = _stacked(((pair.a, pair.b) for pair in pairs), task.device)
    outcomes = []
    with sharing():
        sources = _Sources(pairs, a, b)
        for row in task.rows:
            try:
                done = _done(row, pairs, a, b, task.timeout)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001  a plug-in may even exit; memory may be short
                outcomes += failed(task._replace(rows=(row,)), _say(error))
                continue
            outcomes += _outcomes(row, sources, done)
    return outcomes


def failed(task: Task, reason: str) -> list[Outcome]:
    """Give every item of a task the same failure; of images that are there, the scores alone."""
    return [
        Outcome(
            entry.kind,
            entry.name,
            label(row.fuser),
            {},
            failures=tuple((metric.label, reason) for metric in row.metrics if row.fused),
            failure="" if row.fused else reason,
        )
        for row in task.rows
        for entry in task.entries
    ]


def fuse(fuser: Fuser, pair: Pair, device: str = "cpu") -> tuple[Tensor, Tensor | None]:
    """Fuse a pair and quantise it: (H, W) uint8, clipped and rounded to the nearest level; and (3, H, W) in colour.

    What is returned is what is written, shown and scored; in colour there is none of two grey sources. Raises
    ValueError if the fuser breaks its contract.
    """
    done = _fuse(fuser, [pair], pair.a[None].to(device), pair.b[None].to(device))
    return done.fused[0].cpu(), done.coloured[0]


class _Done(NamedTuple):
    """Fused images, (N, H, W) uint8, in colour, (3, H, W) uint8, where there is one; their losses, and a doubt."""

    fused: Tensor
    coloured: list[Tensor | None]
    losses: Sequence[Losses] = ()
    doubt: str = ""
    seconds: float | None = None


def _done(row: Row, pairs: Sequence[Pair], a: Tensor, b: Tensor, timeout: float | None) -> _Done:
    """Fuse, or take the images that are there."""
    if row.fused:
        images = torch.stack([from_png(content) for content in row.fused])
        coloured = row.coloured or [None] * len(pairs)
        return _Done(images.to(a.device), [None if content is None else from_png(content) for content in coloured])

    def fused(fuser: AnyFuser) -> _Done:
        with deadline(timeout and timeout * len(pairs)):
            return _fuse(fuser, pairs, a, b)

    with foreign.watching(type(row.fuser), label(row.fuser)):
        start = _clock(a)
        done = fused(row.fuser)
        seconds = _clock(a) - start
        done = done._replace(seconds=seconds / len(pairs) if part([row.fuser])[0] else None)
        # A second instance, so that what a fuser reads when it is made is read twice too.
        second = fused(replace(row.fuser)) if row.twice else done  # type: ignore[type-var]  # no dataclass to mypy
    if torch.equal(done.fused, second.fused) and all(map(_equal, done.coloured, second.coloured)):
        return done._replace(doubt=foreign.doubt(row.fuser))
    most = (done.fused.int() - second.fused.int()).abs().max().item()
    return done._replace(doubt=f"two calls differ by up to {most} grey levels")


def _fuse(fuser: AnyFuser, pairs: Sequence[Pair], a: Tensor, b: Tensor) -> _Done:
    """Fuse a batch and quantise it, or read its images; with the losses of a fuser that tells them."""
    called, read = part([fuser])
    for external in read:
        images, chromas = zip(*(external.read(pair) for pair in pairs), strict=True)
        grey = _checked(external, torch.stack(images).to(a), a)
        shown = (pair.chroma if chroma is None else chroma for pair, chroma in zip(pairs, chromas, strict=True))
        return _Done(grey, [*map(_shown, grey, shown)])
    (made,) = called
    if getattr(made, "colour", False):
        a, b = _stacked((pair.channels for pair in pairs), a.device)
        fused = _checked(made, _called(made, made, a, b), a)
        return _Done(colour.luma_of(fused), [*fused.cpu()])
    if (traced := getattr(made, "traces", None)) is None:
        grey, losses = _checked(made, _called(made, made, a, b), a), []
    else:
        # The losses are computed on the way and cost nothing; the call alone would throw them away.
        traces: list[Trace] = _called(made, traced, a, b)
        grey = _checked(made, torch.stack([trace.image for trace in traces]), a)
        losses = [_losses(trace) for trace in traces]
    return _Done(grey, [_shown(image, pair.chroma) for image, pair in zip(grey, pairs, strict=True)], losses)


def _stacked(sources: Iterable[tuple[Tensor, Tensor]], device: str | torch.device) -> tuple[Tensor, Tensor]:
    """Make two batches of the sources of pairs."""
    a, b = (torch.stack(images).to(device) for images in zip(*sources, strict=True))
    return a, b


class _Sources:
    """The sources of a batch as they are scored, uint8: `grey`, and `colour`, made once if a metric asks for it."""

    def __init__(self, pairs: Sequence[Pair], a: Tensor, b: Tensor) -> None:
        self.pairs = pairs
        self.grey = quantise(a), quantise(b)

    @cached_property
    def colour(self) -> tuple[Tensor, Tensor]:
        """Both in colour, (N, 3, H, W)."""
        a, b = _stacked((pair.channels for pair in self.pairs), self.grey[0].device)
        return quantise(a), quantise(b)


def _losses(trace: Trace) -> Losses:
    """Give the rows of a trace: an evaluation each; what is saved is known of the last one of a round."""
    saved = dict(zip(trace.rounds, trace.saved, strict=False))
    return tuple(
        (1 + bisect_right(trace.rounds, n), 1 + n, loss, saved.get(1 + n, math.nan))
        for n, loss in enumerate(trace.losses)
    )


def _clock(like: Tensor) -> float:
    """Read the clock, in seconds, when a GPU has done what it was given."""
    if like.is_cuda:
        torch.cuda.synchronize(like.device)
    return time.perf_counter()


def _called(fuser: Fuser, call: Callable[[Tensor, Tensor], T], a: Tensor, b: Tensor) -> T:
    """Call a fuser with copies of the sources, which the next fuser needs untouched, and say if it changed them."""
    mine = a.clone(), b.clone()
    made = call(*mine)
    if not (torch.equal(mine[0], a) and torch.equal(mine[1], b)):
        raise ValueError(f"{label(fuser)} changed its sources")
    return made


def _checked(fuser: AnyFuser, fused: Tensor, like: Tensor) -> Tensor:
    if not isinstance(fused, Tensor) or fused.shape != like.shape or not fused.is_floating_point():
        found = f"{fused.dtype} {tuple(fused.shape)}" if isinstance(fused, Tensor) else type(fused).__name__
        raise ValueError(f"{label(fuser)} returned {found}, expected float {tuple(like.shape)}")
    if not torch.isfinite(fused).all():
        raise ValueError(f"{label(fuser)} returned NaN or infinite pixels")
    return quantise(fused)


def _equal(x: Tensor | None, y: Tensor | None) -> bool:
    return x is y or (x is not None and y is not None and torch.equal(x, y))


def _outcomes(row: Row, sources: _Sources, done: _Done) -> list[Outcome]:
    scores: dict[str, list[float]] = {}
    failures: list[tuple[str, str]] = []
    pairs = sources.pairs
    in_colour = cache(lambda: (*sources.colour, _in_colour(done)))  # metrics share what they make of it
    start = _clock(done.fused)
    for metric in row.metrics:
        try:
            with foreign.watching(metric.function, metric.label):
                triple = in_colour() if metric.of_colour else (*sources.grey, done.fused)
                scores[metric.label] = _score(metric, *triple)
        except Exception as error:  # noqa: BLE001  a suite may bring its own metrics
            failures.append((metric.label, _say(error)))
    seconds = (_clock(done.fused) - start) / len(pairs)
    return [
        Outcome(
            pair.kind,
            pair.name,
            label(row.fuser),
            {metric: values[n] for metric, values in scores.items()},
            tuple(failures),
            done.losses[n] if done.losses else (),
            b"" if row.fused else png(grey),
            None if row.fused or coloured is None else png(coloured),
            doubt=done.doubt,
            fuse_seconds=done.seconds,
            score_seconds=seconds,
        )
        for n, (pair, grey, coloured) in enumerate(zip(pairs, done.fused, done.coloured, strict=True))
    ]


def _score(metric: Metric, a: Tensor, b: Tensor, fused: Tensor) -> list[float]:
    scores = metric(a, b, fused)
    if scores.shape != fused.shape[:1]:
        raise ValueError(f"scores of shape {tuple(scores.shape)} for {len(fused)} images")
    return [float(score) for score in scores]


def _in_colour(done: _Done) -> Tensor:
    """Give the fused images in colour, as they are scored: (N, 3, H, W) uint8."""
    shown = zip(done.fused.cpu(), done.coloured, strict=True)
    images = [grey.expand(3, -1, -1) if coloured is None else coloured for grey, coloured in shown]
    return torch.stack(images).to(done.fused.device)


def _shown(grey: Tensor, chroma: Tensor | None) -> Tensor | None:
    """Give an 8-bit grey fusion, (H, W), the chroma of its source: uint8, (3, H, W); None where there is none."""
    return None if chroma is None else quantise(colour.join(grey.cpu() / 255, chroma))


def pixels_sha256(pair: Pair) -> str:
    """Digest of what is fused and shown: both images, and the chroma of a coloured one."""
    parts = [pair.a, pair.b, *pair.chromas]
    return hashlib.sha256(
        b"".join(b"grey" if part is None else part.contiguous().numpy().tobytes() for part in parts)
    ).hexdigest()


def _read(entry: Entry, sha256: str) -> Pair:
    pair = entry.read()
    if pixels_sha256(pair) != sha256:
        raise ValueError(f"{entry.kind}/{entry.name}: its pixels changed while the run was on")
    return pair


def _say(error: BaseException) -> str:
    """Give an error as one line."""
    text = " ".join(str(error).split())
    plain = isinstance(error, ValueError | OSError | TimeoutError) and text
    return text if plain else f"{type(error).__name__}: {text}" if text else type(error).__name__
