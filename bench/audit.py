"""Does a metric measure fusion? What images win it, what moves it, and which other metric says the same.

Everything is measured on pairs: a few sound methods give the scores that a fusion has, and beside them stand images
that are no fusion, and the methods' images after changes that no reader would see.
"""

import io
import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import chain
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from fusebench.datasets.cases import Progress
from fusebench.datasets.image import from_png, quantise
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.base import Fuser, label
from fusebench.fusers.feature.gff import GFF
from fusebench.fusers.pixel.dtcwt import DTCWT
from fusebench.fusers.pixel.laplacian import Laplacian
from fusebench.fusers.pixel.nsst import NSST
from fusebench.fusers.pixel.swt import SWT
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.base import Metric, score
from fusebench.metrics.catalogue import METRICS
from fusebench.metrics.foreground import foreground
from PIL import Image
from tabulate import tabulate
from torch import Tensor

# Methods whose images are fusions, by general agreement. A metric should find no image below better than all of them.
SOUND: tuple[Fuser, ...] = (Laplacian(), DTCWT(), SWT(), NSST(), GFF(), Wavelet())
# A score moves by much if it moves by this part of what lies between the best and the worst of these methods.
MUCH = 0.25
# From this correlation of ranks on two metrics are said to rank alike.
ALIKE = 0.9

# Images that are no fusion, of both sources in [0, 1]: what a method may return that does nothing, and what is damaged.
TRIVIAL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "source a": lambda a, b: a,  # noqa: ARG005  an image is a function of both sources
    "source b": lambda a, b: b,  # noqa: ARG005
    "average": lambda a, b: (a + b) / 2,
    "maximum": torch.maximum,
}
DAMAGED: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "constant": lambda a, b: torch.full_like(a, ((a + b) / 2).mean().item()),
    "noise": lambda a, b: torch.rand(a.shape, generator=torch.Generator().manual_seed(0)),  # noqa: ARG005
    "average, contrast / 8": lambda a, b: 0.5 + ((a + b) / 2 - 0.5) / 8,
    "negative of the average": lambda a, b: 1 - (a + b) / 2,
    "average + checkerboard of 16 levels": lambda a, b: (a + b) / 2 + 8 / 255 * _checkerboard(a),
    "a, shifted by 4 pixels": lambda a, b: a.roll((4, 4), (0, 1)),  # noqa: ARG005
}
# What is done to a fused image: what nobody sees, and a shift that should be seen.
UNSEEN: dict[str, Callable[[Tensor], Tensor]] = {
    "half a level of noise": lambda x: x + 0.5 / 255 * torch.randn(x.shape, generator=torch.Generator().manual_seed(1)),
    "JPEG, quality 95": lambda x: torch.stack([_jpeg(image) for image in x]),
}
CHANGES: dict[str, Callable[[Tensor], Tensor]] = {
    **UNSEEN,
    "one pixel to the right": lambda x: F.pad(x[..., :-1], (1, 0), mode="replicate"),
}
# What is done to all three images, that should not matter.
TURNS: dict[str, Callable[[Tensor], Tensor]] = {
    "mirrored": lambda x: x.flip(-1),
    "transposed": lambda x: x.mT.contiguous(),
}

SWAPPED, INSIDE = "a and b swapped", "inside the head"
COLUMNS = (*CHANGES, *TURNS, SWAPPED, INSIDE)

PAGE = """# Does the metric measure fusion?

Written by `fusebench audit` from {pairs}.

A metric should find a fusion better than what is none. Fusions are the images of {methods}. What is none: {trivial};
and what is damaged: {damaged}. A metric is *won by* an image that scores above all six methods on more than half of
the pairs.

The numbers say by how much a change moves the score of a method's image, in parts of the distance between the best
and the worst of the six on that pair, the median over pairs and methods. Above {much} a change counts as moving it.
Half a level of noise and JPEG should move nothing; to mirror or to transpose all three images and to swap the sources
should not either; to shift the fused image by one pixel should. `inside the head` is the score without the black
background. `ranks like` names the metric that ranks all images most alike, by Spearman's correlation, and `same name,
least alike` that convention of its own name which ranks them least alike: what another code prints under the name.
`ms` is the time for one image.

Sound by all this: {sound}.

Metrics that rank nearly alike, each two of a group with a correlation of {alike} or more, so that one of them says what
all say: {groups}.

{table}
"""


class Verdict(NamedTuple):
    """What the audit says of a metric: the images that beat every sound method on most pairs, and what moves it.

    `moved` is the median over pairs and methods of what a change makes of the score, in parts of the distance between
    the best and the worst sound method on the pair. `nearest` is the metric that ranks all images most alike,
    `correlations` has those with every other one (Spearman, without their sign), and
    `convention` the variant of the same name that ranks them least alike; "" where there is none.
    """

    metric: str
    trivial: tuple[str, ...]
    damaged: tuple[str, ...]
    moved: dict[str, float]
    nearest: str
    agreement: float
    milliseconds: float
    correlations: dict[str, float]
    convention: str = ""
    stability: float = math.nan

    @property
    def verdict(self) -> str:
        """What a reader can act on."""
        if self.damaged:
            return "rewards damage"
        if self.trivial:
            return "rewards no fusion"
        if all(map(math.isnan, self.moved.values())):
            return "not measured"
        if self._above(TURNS) or self._above([SWAPPED]):
            return "depends on how the images lie"
        if self._above(UNSEEN):
            return "moves by what nobody sees"
        return "sound"

    @property
    def reasons(self) -> str:
        """Say what the verdict rests on."""
        moved = [f"{name} moves it by {self.moved[name]:.2f}" for name in self._above([*TURNS, SWAPPED, *UNSEEN])]
        won = [*self.damaged, *self.trivial]
        return "; ".join([*([f"won by {', '.join(won)}"] if won else []), *moved])

    def _above(self, changes: Iterable[str]) -> list[str]:
        return [name for name in changes if self.moved[name] > MUCH]


def audit(entries: Sequence[Entry], metrics: Sequence[Metric], progress: Progress) -> list[Verdict]:
    """Audit metrics that have a best value, on pairs.

    Parameters
    ----------
    entries
        The pairs.
    metrics
        Those without a direction (`higher_is_better` is None) are left out: no image is better by them.
    progress
        Told after each pair.

    Returns
    -------
    list of Verdict
        One for each metric; "not measured" where no pair gave it scores that differ between the methods.

    Raises
    ------
    ValueError
        If a source is constant.

    Examples
    --------
    >>> from fusebench.datasets import phantom
    >>> from fusebench.metrics.profiles import chosen
    >>> (mi,) = audit(phantom.entries(["CT-MRI"], size=64)[:1], chosen("MI"), lambda *_: None)
    >>> mi.trivial, mi.damaged, mi.verdict
    (('source a', 'source b', 'average', 'maximum'), ('negative of the average',), 'rewards damage')
    """
    judged = [metric for metric in metrics if metric.higher_is_better is not None]
    variants = {metric.label: _conventions(metric) for metric in judged}
    scored = list(dict.fromkeys([*judged, *chain.from_iterable(variants.values())]))
    sign = pd.Series({metric.label: 1.0 if metric.higher_is_better else -1.0 for metric in scored})
    wins: list[pd.DataFrame] = []
    moves: list[pd.DataFrame] = []
    ranks: list[pd.DataFrame] = []
    seconds = dict.fromkeys(sign.index, 0.0)
    for number, entry in enumerate(entries, 1):
        pair = entry.read()
        if not (pair.a != pair.a[0, 0]).any() or not (pair.b != pair.b[0, 0]).any():
            raise ValueError(
                f"{pair.kind}/{pair.name}: a source is constant, and tells nothing of a metric; leave it out"
            )
        images, scores = _scores(pair, scored, seconds)
        sound = scores.loc[[label(fuser) for fuser in SOUND]]
        better = scores * sign
        # Beyond the best sound method by more than rounding; a score that is NaN is no win.
        wins.append((better.loc[[*TRIVIAL, *DAMAGED]] > better.loc[sound.index].max() + 1e-9).astype(float))
        ranks.append(better.drop(index="noise").rank())
        spread = (sound.max() - sound.min()).where(lambda x: x > 0)
        moves.append(_moves(pair, images, sound[list(variants)], judged) / spread)
        progress(f"{pair.kind}/{pair.name}", number, len(entries))
    won = sum(wins[1:], wins[0]) / len(wins)
    moved = pd.concat(moves).groupby(level=0).median()
    correlations = pd.concat(ranks).corr(method="spearman")
    alike = correlations.loc[list(variants), list(variants)].abs()
    alike = alike.mask(np.eye(len(alike), dtype=bool))
    stable = {name: correlations[name][[m.label for m in others]].dropna() for name, others in variants.items()}
    return [
        Verdict(
            name,
            tuple(image for image in TRIVIAL if won.loc[image, name] > 1 / 2),
            tuple(image for image in DAMAGED if won.loc[image, name] > 1 / 2),
            {change: float(moved.loc[change, name]) for change in moved.index},
            str(alike[name].idxmax()) if alike[name].notna().any() else "",
            float(alike[name].max()),
            1000 * seconds[name] / len(entries),
            {str(other): float(value) for other, value in alike[name].items()},
            "" if stable[name].empty else str(stable[name].idxmin()),
            math.nan if stable[name].empty else float(stable[name].min()),
        )
        for name in sign[list(variants)].index
    ]


def groups(verdicts: Sequence[Verdict]) -> list[list[str]]:
    """Group the metrics that rank alike: of each two in a group the correlation is at least `ALIKE`.

    Complete linkage; a metric that is alone is in no group.
    """
    from scipy.cluster.hierarchy import fcluster, linkage

    names = [v.metric for v in verdicts if not math.isnan(v.agreement)]
    if len(names) < 2:
        return []
    table = {v.metric: v.correlations for v in verdicts}
    apart = [1 - table[x].get(y, math.nan) for n, x in enumerate(names) for y in names[n + 1 :]]
    found = fcluster(linkage(np.nan_to_num(apart, nan=1.0), "complete"), 1 - ALIKE, "distance")
    members = [[name for name, group in zip(names, found, strict=True) if group == n] for n in range(1, max(found) + 1)]
    return [group for group in members if len(group) > 1]


def _conventions(metric: Metric) -> list[Metric]:
    """Give the other definitions of a metric's name that have a best value."""
    return [m for m in METRICS if m.name == metric.name and m != metric and m.higher_is_better is not None]


def _scores(pair: Pair, metrics: Sequence[Metric], seconds: dict[str, float]) -> tuple[Tensor, pd.DataFrame]:
    """Give the images of the sound methods, (n, H, W), and the scores of all images, a row each."""
    a, b = pair.a[None], pair.b[None]
    sound = torch.cat([fuser(a, b) for fuser in SOUND])
    others = [make(pair.a, pair.b) for make in chain(TRIVIAL.values(), DAMAGED.values())]
    fused = quantise(torch.cat([sound, torch.stack(others).clamp(0, 1)]))
    found: dict[str, Tensor] = {}
    for metric in metrics:  # one by one, for the time of each
        begun = time.perf_counter()
        found |= score(quantise(a), quantise(b), fused, (metric,))
        seconds[metric.label] += (time.perf_counter() - begun) / len(fused)
    names = [*(label(fuser) for fuser in SOUND), *TRIVIAL, *DAMAGED]
    return sound, pd.DataFrame({name: values.tolist() for name, values in found.items()}, index=names)


def _moves(pair: Pair, images: Tensor, sound: pd.DataFrame, metrics: Sequence[Metric]) -> pd.DataFrame:
    """Say by how much each change moves the scores of the sound methods: a row for each change and method."""
    a, b = pair.a[None], pair.b[None]
    levels = quantise(a), quantise(b)
    fused = quantise(images)
    triples = {name: (*levels, quantise(change(images).clamp(0, 1))) for name, change in CHANGES.items()}
    triples |= {name: (turn(levels[0]), turn(levels[1]), turn(fused)) for name, turn in TURNS.items()}
    triples[SWAPPED] = (levels[1], levels[0], fused)
    rows = [_differences(name, score(*triple, metrics), sound) for name, triple in triples.items()]
    masked = [metric for metric in metrics if metric.local]
    inside = score(*levels, fused, masked, foreground(*levels))
    rows.append(_differences(INSIDE, inside, sound))
    return pd.concat(rows)


def _differences(name: str, scores: dict[str, Tensor], sound: pd.DataFrame) -> pd.DataFrame:
    changed = pd.DataFrame({key: values.tolist() for key, values in scores.items()}, index=sound.index)
    difference = (changed - sound).abs().reindex(columns=sound.columns)
    return difference.set_index(pd.Index([name] * len(sound)))


def table(verdicts: Iterable[Verdict]) -> list[dict[str, str]]:
    """Give the rows of the printed table."""
    return [
        {
            "metric": v.metric,
            "verdict": v.verdict,
            "why": v.reasons,
            **{name: "" if math.isnan(v.moved[name]) else f"{v.moved[name]:.2f}" for name in COLUMNS},
            "ranks like": "" if math.isnan(v.agreement) else f"{v.nearest} ({v.agreement:.2f})",
            "same name, least alike": "" if math.isnan(v.stability) else f"{v.convention} ({v.stability:.2f})",
            "ms": f"{v.milliseconds:.1f}",
        }
        for v in verdicts
    ]


def page(verdicts: Sequence[Verdict], entries: Sequence[Entry]) -> str:
    """Write the page of an audit, in Markdown."""
    kinds = Counter(entry.kind for entry in entries)
    synthetic = all(entry.read().synthetic for entry in entries)
    counted = ", ".join(f"{kind} ({n})" for kind, n in kinds.items())
    return PAGE.format(
        pairs=f"{len(entries)} {'synthetic ' if synthetic else ''}pairs: {counted}",
        methods=", ".join(label(fuser) for fuser in SOUND),
        trivial=", ".join(TRIVIAL),
        damaged=", ".join(DAMAGED),
        much=MUCH,
        alike=ALIKE,
        groups="; ".join(", ".join(group) for group in groups(verdicts)) or "none",
        sound=", ".join(v.metric for v in verdicts if v.verdict == "sound") or "none",
        table=tabulate(table(verdicts), headers="keys", tablefmt="pipe", disable_numparse=True),
    )


def _checkerboard(like: Tensor) -> Tensor:
    rows, columns = (torch.arange(side) for side in like.shape[-2:])
    return 1 - 2.0 * ((rows[:, None] + columns) % 2)


def _jpeg(image: Tensor) -> Tensor:
    buffer = io.BytesIO()
    Image.fromarray(quantise(image).numpy()).save(buffer, "JPEG", quality=95)
    return from_png(buffer.getvalue()).float() / 255
