"""The scores the seed paper printed, by table, label of the fuser's row and label of the metric.

They claim; nothing is computed from them. The paper's images are not published and its tables rest on one pair each.
Its CNN had its authors' weights: its numbers stand beside `cnn[weights=published]` and no other weights.
"""

from collections.abc import Mapping

# Kind of pair, its modalities in alphabetical order -> number of the table of methods.
KINDS = {"CT-MRI": 2, "CT-PET": 3, "MRI-SPECT": 4}

Scores = Mapping[str, Mapping[str, float]]


def _rows(fusers: list[str], *scores: tuple[float, float, float]) -> Scores:
    return {fuser: dict(zip(("SF", "MI", "M"), row, strict=True)) for fuser, row in zip(fusers, scores, strict=True)}


_CONVOLUTIONS = ((1, 2), (2, 2), (3, 3), (4, 3), (5, 3))
TABLE_1: Scores = _rows(
    [f"vgg16[layer=conv{block}_{conv}]" for block, convs in _CONVOLUTIONS for conv in range(1, convs + 1)],
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

_METHODS = ["wavelet", "contourlet", "cnn[weights=published]", "vgg16[layer=conv1_2]"]
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
