"""The seed paper: its tables, the scores it printed, and the layers and numbers of its figures.

The printed scores are claims: nothing is computed from them. The paper's images are not published, and each of its
tables rests on one pair. Its CNN had its authors' weights, so its numbers stand beside `cnn[weights=published]` only.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import torch
from fusebench.bench.engine.store import FEATURES, FUSED
from fusebench.bench.external import AnyFuser
from fusebench.bench.suite import Suite, Table, by_kind, select
from fusebench.datasets import image
from fusebench.datasets.pair import Entry
from fusebench.fusers.base import Fuser, label
from fusebench.fusers.catalogue import TRIVIAL, plugins
from fusebench.fusers.neural.multifocus import MultiFocusCNN
from fusebench.fusers.neural.vgg16 import VGG16LBFGS
from fusebench.fusers.neural.vgg16_network import Network
from fusebench.fusers.neural.vgg16_weights import LAYERS
from fusebench.fusers.pixel.contourlet import Contourlet
from fusebench.fusers.pixel.nsct import NSCT
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.mutual_information import MI, M
from fusebench.metrics.profiles import PROFILES
from fusebench.metrics.spatial_frequency import SF

# Every definition of the bench is computed; these are printed.
COLUMNS = (SF, MI, M)
METRICS = PROFILES["default"]

# The table of the layers, and what the paper calls the pictures of its tables and the two figures besides.
BY_LAYER = "table1"
FIGURES = {
    "losses": "figure5",
    "features": "figure6",
    "table1": "figure7",
    "table2": "figure8",
    "table3": "figure9",
    "table4": "figure10",
}
# The rows whose losses figure 5 shows, and the layers and the number of channels of figure 6.
LOSSES = tuple(label(VGG16LBFGS(layer="conv2_1", solver=solver)) for solver in ("protocol", "bounded"))
FEATURE_LAYERS = ("conv1_1", "conv2_1", "conv5_3")
CHANNELS = 16

# Kind of pair, its modalities in alphabetical order -> number of the table of methods.
KINDS = {"CT-MRI": 2, "CT-PET": 3, "MRI-SPECT": 4}

Scores = Mapping[str, Mapping[str, float]]


def _rows(fusers: list[str], *scores: tuple[float, float, float]) -> Scores:
    return {fuser: dict(zip(("SF", "MI", "M"), row, strict=True)) for fuser, row in zip(fusers, scores, strict=True)}


_CONVOLUTIONS = ((1, 2), (2, 2), (3, 3), (4, 3), (5, 3))
TABLE_1: Scores = _rows(
    [f"vgg16[layer=conv{block}_{conv},solver=protocol]" for block, n in _CONVOLUTIONS for conv in range(1, n + 1)],
    (22.8806, 2.4485, 0.2389),
    (20.3391, 2.4776, 0.2427),
    (20.9484, 2.4811, 0.2409),
    (20.3990, 2.4426, 0.2389),
    (19.9464, 2.3417, 0.2313),
    (19.1515, 2.3258, 0.2327),
    (18.8915, 2.3232, 0.2332),
    (17.6339, 2.2079, 0.2208),
    (16.1572, 2.1668, 0.2157),
    (15.7196, 2.1333, 0.2097),
    (14.1897, 2.1110, 0.2060),
    (13.2032, 2.1417, 0.2085),
    (12.0859, 2.1964, 0.2157),
)

_METHODS = ["wavelet", "contourlet", "cnn[weights=published]", "vgg16[layer=conv1_2,solver=protocol]"]
METHODS: Mapping[int, Scores] = {
    2: _rows(
        _METHODS,
        (20.3347, 2.4138, 0.2319),
        (20.8374, 2.4357, 0.2417),
        (16.2660, 2.2465, 0.2248),
        (20.3391, 2.4776, 0.2427),
    ),
    3: _rows(
        _METHODS,
        (28.2223, 2.0645, 0.2353),
        (29.5496, 2.4237, 0.2763),
        (25.4856, 1.4521, 0.1356),
        (32.5388, 2.4926, 0.3458),
    ),
    4: _rows(
        _METHODS,
        (18.6384, 1.6031, 0.2281),
        (25.7620, 1.7447, 0.2329),
        (26.4668, 1.4077, 0.2145),
        (27.0844, 1.8286, 0.2538),
    ),
}
# What the paper compares, and the sister of its contourlet; its own method as it ran it, and bounded.
COMPARED = (Wavelet(), Contourlet(), NSCT(), MultiFocusCNN(), VGG16LBFGS(solver="protocol"), VGG16LBFGS())
NOTHING: Mapping[int, Scores] = MappingProxyType({})


def paper(
    entries: Iterable[Entry], pairs: int | None = None, *, published: bool = False, cnn_file: str | None = None
) -> Suite:
    """Build the seed paper's tables: 1 = the 13 layers on CT/MRI; 2, 3, 4 = methods on CT/MRI, CT/PET, SPECT/MRI.

    The paper's method has two rows, by its protocol and by the bounded solver.

    Any other kind of pair in the data gets a table of methods of its own behind them; a kind that is missing leaves
    its table out. Table 1 runs on one pair; where there is no CT/MRI, on the first kind there is. Methods of installed
    plug-ins stand behind the bench's own, and behind them the multi-focus network with its authors' weights, where
    `cnn_file` names their file. The scores that the paper printed stand beside real pairs if `published`: they are of
    the paper's own pairs, and nobody has those.
    """
    kinds = in_order(entries)
    kind, listed = next(iter(kinds.items()))
    by_layer = (VGG16LBFGS(layer=layer, solver=solver) for solver in ("protocol", "bounded") for layer in LAYERS)
    trivial: tuple[Fuser, ...] = tuple(cls() for cls in TRIVIAL)
    layers = (*trivial, *by_layer)
    methods: tuple[Fuser, ...] = (*trivial, *COMPARED, *(cls() for cls in plugins()))
    if cnn_file:
        methods = (*methods, MultiFocusCNN(weights="published", weights_file=cnn_file))
    claimed = TABLE_1 if published and KINDS.get(_canonical(kind)) == 2 else {}
    first = select(listed, pairs)[:1]
    return {
        BY_LAYER: Table(f"VGG16 + L-BFGS by layer, {kind}", layers, first, METRICS, claimed, COLUMNS),
        **by_method(
            "Methods",
            {kind: (methods, select(listed, pairs)) for kind, listed in kinds.items()},
            METHODS if published else NOTHING,
        ),
    }


def write_features(suite: Suite, out: Path) -> Path | None:
    """Write `features.npz`, what figure 6 shows of the pair of table 1, into the folder of a run of this suite.

    Nothing where the suite has no table 1, or no image of that pair at these layers. Features are those of both
    sources, of their blend and of the fused image.
    For each layer the 16 channels on which the target, the maximum of the sources' features, has the most energy, as
    arrays (16, h, w) under the keys LAYER/a, LAYER/b, LAYER/blend and LAYER/fused.
    """
    if BY_LAYER not in suite:
        return None
    pair = suite[BY_LAYER].entries[0].read()
    files = {label(fuser): str(getattr(fuser, "weights_file", "")) for fuser in suite[BY_LAYER].fusers}
    folder = out / FUSED / pair.kind
    paths = {layer: folder / label(VGG16LBFGS(layer=layer)) / f"{pair.name}.png" for layer in FEATURE_LAYERS}
    if not all(path.is_file() for path in paths.values()):
        return None
    arrays: dict[str, npt.NDArray[np.float32]] = {}
    for layer, path in paths.items():
        images = {"a": pair.a, "b": pair.b, "blend": (pair.a + pair.b) / 2, "fused": image.read(path)[0]}
        network = Network(layer, pair.a, files.get(label(VGG16LBFGS(layer=layer)), ""))
        features = {name: network.features(255 * x[None])[0] for name, x in images.items()}
        energy = torch.maximum(features["a"], features["b"]).square().sum(dim=(1, 2))
        strongest = energy.argsort(descending=True)[:CHANNELS]
        arrays |= {f"{layer}/{name}": maps[strongest].numpy() for name, maps in features.items()}
    with (out / FEATURES).open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return out / FEATURES


def in_order(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """Give the pairs of each kind, the paper's kinds first."""
    kinds = by_kind(entries)
    if not kinds:
        raise ValueError("there are no pairs to fuse")
    same: dict[str, str] = {}
    for kind in kinds:
        if (other := same.setdefault(_canonical(kind), kind)) != kind:
            raise ValueError(f"{kind} and {other} are one kind of pair; put their pairs into one folder")
    return {kind: kinds[kind] for kind in sorted(kinds, key=lambda kind: KINDS.get(_canonical(kind), len(kinds) + 5))}


def by_method(
    title: str,
    kinds: Mapping[str, tuple[tuple[AnyFuser, ...], tuple[Entry, ...]]],
    published: Mapping[int, Scores] = NOTHING,
) -> Suite:
    """Give each kind its table of methods, numbered as the paper does and beyond, beside what was published in it."""
    number = max(KINDS.values())
    tables = {}
    for kind, (methods, entries) in kinds.items():
        printed = KINDS.get(_canonical(kind))
        number += printed is None
        claimed = published.get(printed or 0, {})
        tables[f"table{printed or number}"] = Table(f"{title}, {kind}", methods, entries, METRICS, claimed, COLUMNS)
    return tables


def _canonical(kind: str) -> str:
    """CT-MRI and MRI-CT are one kind of pair."""
    return "-".join(sorted(kind.upper().split("-")))
