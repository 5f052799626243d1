"""Running a suite: fuse, quantise, score, write."""

import hashlib
import json
import platform
import subprocess
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib import metadata
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import torch
from fusebench.bench import output
from fusebench.bench.suite import Suite
from fusebench.datasets import colour, image
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers import multifocus_weights, vgg16_weights
from fusebench.fusers.base import Fuser, label
from fusebench.fusers.catalogue import TRIVIAL
from fusebench.fusers.multifocus import MultiFocusCNN
from fusebench.fusers.vgg16 import VGG16LBFGS
from fusebench.metrics.base import Metric, score
from torch import Tensor

T = TypeVar("T")

# Same-sized pairs go through a fuser together, so many at a time: memory stays bounded, and progress is seen.
BATCH = 4


class Result(NamedTuple):
    """One row of scores.csv; every field but the score is its key."""

    dataset: str
    pair: str
    fuser: str
    metric: str
    score: float


class Loss(NamedTuple):
    """One row of losses.csv: an evaluation of an iterative fuser."""

    dataset: str
    pair: str
    fuser: str
    round: int
    evaluation: int
    loss: float


class Seen(NamedTuple):
    """What is kept of a pair that was read and checked: enough to group it and to say which pixels were used."""

    size: tuple[int, int]
    modalities: tuple[str, str]
    coloured: tuple[str, ...]
    synthetic: bool
    sha256: str


class Step(NamedTuple):
    """Pairs that go through a fuser together, and every metric that some table asks of them."""

    fuser: Fuser
    batch: tuple[Entry, ...]
    metrics: tuple[Metric, ...]


# Called with the number of steps ahead, then with a text before each step and None behind the last.
Progress = Callable[[int | str | None], None]


def run(suite: Suite, out: Path, *, name: str, device: str = "cpu", progress: Progress = lambda _: None) -> None:
    """Run a suite and write what it found into a folder.

    Writes `scores.csv` (`Result`), `losses.csv` (`Loss`), `run.json` (what was run, on which pixels, with which
    versions), under `fused/DATASET/FUSER/` every fused image as it was scored, and under `colour/` the same in colour
    where a source is coloured. They replace an earlier run's when all are written, not before.

    Every pair is read and checked before the first is fused, against the smallest size each fuser takes too, and
    weights are verified: bad input costs no work. A pair and a fuser that stand in several tables are run once.

    Raises
    ------
    ValueError
        If a pair is bad, weights are missing or wrong, a fuser returns something that is no image, or the folder
        holds what no run wrote.
    OSError
        If the folder cannot be written.
    """
    with output.replacing(out) as work:
        _run(suite, work, name, device, progress)


def _run(suite: Suite, out: Path, name: str, device: str, progress: Progress) -> None:
    entries = unique(entry for table in suite.values() for entry in table.entries)
    weights = _verify_weights(suite)
    seen = {(entry.dataset, entry.name): _see(entry) for entry in entries}
    for table in suite.values():
        for fuser, entry in product(table.fusers, table.entries):
            size, least = seen[entry.dataset, entry.name].size, getattr(fuser, "least", 1)
            if min(size) < least:
                raise ValueError(
                    f"{entry.dataset}/{entry.name}: {size[0]} x {size[1]} pixels; {label(fuser)} needs at least "
                    f"{least} x {least}"
                )
    steps = _steps(suite, seen)
    progress(len(steps))
    results: list[Result] = []
    losses: list[Loss] = []
    read: tuple[Sequence[Entry], list[Pair]] = ((), [])
    for fuser, batch, metrics in steps:
        progress(f"{label(fuser)} on {batch[0].dataset}")
        if read[0] != batch:
            read = (batch, [entry.read() for entry in batch])
        scored, traced = _fuse_and_score(fuser, read[1], metrics, out, device)
        results += scored
        losses += traced
    progress(None)

    output.write_rows(out / "scores.csv", Result._fields, sorted(results))
    output.write_rows(out / "losses.csv", Loss._fields, losses)
    description = {"suite": name, **_provenance(device), "weights": weights, **_describe(suite, entries, seen)}
    output.write_text(out / "run.json", json.dumps(description, indent=1) + "\n")


def fuse(fuser: Fuser, a: Tensor, b: Tensor) -> Tensor:
    """Fuse a batch and quantise it: (N, H, W) in [0, 1] to uint8, clipped and rounded to the nearest grey level.

    What is returned is what is written, shown and scored. Raises ValueError if the fuser breaks its contract.
    """
    return _checked(fuser, fuser(a, b), a)


def _checked(fuser: Fuser, fused: Tensor, like: Tensor) -> Tensor:
    if fused.shape != like.shape or not fused.is_floating_point():
        expected = f"float {tuple(like.shape)}"
        raise ValueError(f"{label(fuser)} returned {fused.dtype} {tuple(fused.shape)}, expected {expected}")
    if not torch.isfinite(fused).all():
        raise ValueError(f"{label(fuser)} returned NaN or infinite pixels")
    return quantise(fused)


def quantise(x: Tensor) -> Tensor:
    """Round an image in [0, 1] to 256 grey levels, uint8; half way to the even one."""
    return (255 * x.double()).round().clamp(0, 255).to(torch.uint8)


def unique(items: Iterable[T]) -> list[T]:
    """Drop repetitions and keep the order."""
    return list(dict.fromkeys(items))


def shown_in_colour(grey: Tensor, chroma: Tensor) -> Tensor:
    """Give an 8-bit grey fusion, (H, W), the chroma of its source: uint8, (3, H, W)."""
    return quantise(colour.join(grey.cpu() / 255, chroma))


def _steps(suite: Suite, seen: dict[tuple[str, str], Seen]) -> list[Step]:
    """Each (fuser, batch of same-sized pairs of one kind) once, in the order of the tables."""
    wanted: dict[tuple[str, str, str], dict[Metric, None]] = {}
    for table in suite.values():
        for fuser, entry in product(table.fusers, table.entries):
            wanted.setdefault((label(fuser), entry.dataset, entry.name), {}).update(dict.fromkeys(table.metrics))
    done: set[tuple[str, str, str]] = set()
    steps: list[Step] = []
    for table in suite.values():
        groups: dict[tuple[str, tuple[int, int]], list[Entry]] = {}
        for entry in table.entries:
            groups.setdefault((entry.dataset, seen[entry.dataset, entry.name].size), []).append(entry)
        for group in groups.values():
            for start in range(0, len(group), BATCH):
                for fuser in table.fusers:
                    # Pairs of one table may stand in others too, with other metrics.
                    alike: dict[tuple[Metric, ...], list[Entry]] = {}
                    for entry in group[start : start + BATCH]:
                        key = label(fuser), entry.dataset, entry.name
                        if key not in done:
                            alike.setdefault(tuple(wanted[key]), []).append(entry)
                            done.add(key)
                    steps += [Step(fuser, tuple(batch), metrics) for metrics, batch in alike.items()]
    return steps


def _fuse_and_score(
    fuser: Fuser, pairs: list[Pair], metrics: Sequence[Metric], out: Path, device: str
) -> tuple[list[Result], list[Loss]]:
    a, b = (torch.stack(images).to(device) for images in zip(*((p.a, p.b) for p in pairs), strict=True))
    losses: list[Loss] = []
    if isinstance(fuser, VGG16LBFGS):
        # The curve of figure 5 is made on the way and costs nothing; the call alone would throw it away.
        traces = [fuser.trace(x, y) for x, y in zip(a, b, strict=True)]
        fused = _checked(fuser, torch.stack([trace.image for trace in traces]), a)
        losses = [
            Loss(pair.dataset, pair.name, label(fuser), 1 + bisect_right(trace.rounds, index), 1 + index, loss)
            for pair, trace in zip(pairs, traces, strict=True)
            for index, loss in enumerate(trace.losses)
        ]
    else:
        fused = fuse(fuser, a, b)
    scores = score(quantise(a), quantise(b), fused, metrics)
    for pair, grey in zip(pairs, fused, strict=True):
        place = Path(pair.dataset, label(fuser), f"{pair.name}.png")
        (out / "fused" / place).parent.mkdir(parents=True, exist_ok=True)
        image.write(grey, out / "fused" / place)
        if pair.chroma is not None:
            (out / "colour" / place).parent.mkdir(parents=True, exist_ok=True)
            image.write(shown_in_colour(grey, pair.chroma), out / "colour" / place)
    results = [
        Result(pair.dataset, pair.name, label(fuser), metric, values[n].item())
        for n, pair in enumerate(pairs)
        for metric, values in scores.items()
    ]
    return results, losses


def _see(entry: Entry) -> Seen:
    pair = entry.read()
    digest = hashlib.sha256(pair.a.numpy().tobytes() + pair.b.numpy().tobytes()).hexdigest()
    return Seen(pair.size, pair.modalities, pair.coloured, pair.synthetic, digest)


def _verify_weights(suite: Suite) -> dict[str, str]:
    """Load every network that the suite needs, verified, and give their digests."""
    digests: dict[str, str] = {}
    for fuser in unique(fuser for table in suite.values() for fuser in table.fusers):
        if isinstance(fuser, VGG16LBFGS):
            vgg16_weights.load()
            digests["vgg16"] = vgg16_weights.SHA256
        if isinstance(fuser, MultiFocusCNN):
            digests[f"cnn, {fuser.weights}"] = multifocus_weights.load(fuser.weights).sha256
    return digests


def _describe(suite: Suite, entries: Sequence[Entry], seen: dict[tuple[str, str], Seen]) -> dict[str, Any]:
    """Give tables and pairs, what the reports need besides the scores."""
    pairs: dict[str, dict[str, Any]] = {}
    for entry in entries:
        sight = seen[entry.dataset, entry.name]
        pairs.setdefault(entry.dataset, {})[entry.name] = {"case": entry.case, **sight._asdict()}
    trivial = {cls.name for cls in TRIVIAL}
    facts = ("label", "unit", "higher_is_better", "digits", "source")
    tables = {
        key: {
            "title": table.title,
            "fusers": [{"label": label(fuser), "trivial": fuser.name in trivial} for fuser in table.fusers],
            "pairs": [[entry.dataset, entry.name] for entry in table.entries],
            "metrics": [{fact: getattr(metric, fact) for fact in facts} for metric in table.metrics],
            "published": table.published,
        }
        for key, table in suite.items()
    }
    return {"tables": tables, "pairs": pairs}


def _provenance(device: str) -> dict[str, Any]:
    """Say when this ran, from which commit, with which versions, on what."""
    packages = ("fusebench", "torch", "numpy", "scipy", "PyWavelets", "pillow", "nilearn")
    return {
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}},
        "device": torch.cuda.get_device_name(device) if device.startswith("cuda") else platform.processor() or "cpu",
        "threads": torch.get_num_threads(),
    }


def _commit() -> str | None:
    """Commit of the project's own checkout, with + where it was changed; None where it runs from an installed wheel."""
    root = Path(__file__).resolve().parent.parent
    if not (root / "pyproject.toml").is_file():
        return None

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(root), *arguments]
        done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603  no outside input
        return done.stdout.strip()

    try:
        return git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return None
