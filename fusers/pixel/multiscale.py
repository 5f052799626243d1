"""Any transform with any rules: one fuser for half the field."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from fusebench.fusers.base import ALWAYS_SHOWN
from fusebench.fusers.multiscale import Rule, fuse
from fusebench.fusers.rules import pulse_coupled, selection, sparse, sparse_dictionary
from fusebench.fusers.rules.activity import average, choose_by_region
from fusebench.fusers.transforms.base import Transform
from fusebench.fusers.transforms.base_detail import BaseDetailTransform, IdentityTransform
from fusebench.fusers.transforms.contourlet import ContourletTransform
from fusebench.fusers.transforms.curvelet import CurveletTransform
from fusebench.fusers.transforms.dual_tree import DualTreeTransform
from fusebench.fusers.transforms.nsct import NonsubsampledContourletTransform
from fusebench.fusers.transforms.pyramids import (
    ContrastPyramid,
    GradientPyramid,
    LaplacianPyramid,
    MorphologicalPyramid,
    RatioPyramid,
)
from fusebench.fusers.transforms.shearlet import ShearletTransform
from fusebench.fusers.transforms.stationary import StationaryTransform
from fusebench.fusers.transforms.wavelet import WaveletTransform
from torch import Tensor


def _directions(levels: int) -> tuple[int, ...]:
    """Give 4 directions for the coarser half of the levels and 8 for the finer one."""
    return (2,) * (levels // 2) + (3,) * (levels - levels // 2)


LEVELS = 4

# Each of so many levels.
TRANSFORMS: Mapping[str, Callable[[int], Transform]] = {
    "laplacian": LaplacianPyramid,
    "ratio": RatioPyramid,
    "contrast": ContrastPyramid,
    "gradient": GradientPyramid,
    "morphological": MorphologicalPyramid,
    "dwt": lambda levels: WaveletTransform(levels=levels),
    "swt": lambda levels: StationaryTransform(levels=levels),
    "dtcwt": DualTreeTransform,
    "curvelet": lambda levels: CurveletTransform(tuple(2 * 2**d for d in _directions(levels))),
    "contourlet": lambda levels: ContourletTransform(_directions(levels)),
    "nsct": lambda levels: NonsubsampledContourletTransform(_directions(levels)),
    "nsst": lambda levels: ShearletTransform(_directions(levels), (8,) * levels),
    "guided": lambda levels: BaseDetailTransform("guided", levels),
    "bilateral": lambda levels: BaseDetailTransform("bilateral", levels),
    "gaussian": lambda levels: BaseDetailTransform("gaussian", levels),
    "identity": lambda levels: IdentityTransform(),  # noqa: ARG005  it has none
}
HIGH: Mapping[str, Rule] = {
    "maximum": selection.larger,
    "region": choose_by_region,
    "energy": selection.by(selection.window_energy),
    "consistency": selection.consistent,
    "match": selection.burt,
    "sml": selection.by(selection.sum_modified_laplacian),
    "msf": selection.by(selection.modified_spatial_frequency),
    "pcnn": selection.by(pulse_coupled.firings),
    "papcnn": selection.by(pulse_coupled.adaptive_firings),
}
LOW: Mapping[str, Rule] = {
    "average": average,
    "maximum": selection.maximum,
    "energy": selection.energy,
    "entropy": selection.entropy,
    "sml": selection.by(selection.sum_modified_laplacian),
    "local-laplacian-energy": selection.by(selection.local_laplacian_energy),
    "pcnn": selection.by(pulse_coupled.firings),
    "sparse": sparse.choose_by_sparsity,
}


@dataclass(frozen=True)
class Multiscale:
    """Fuse in any of the transforms by any of the rules.

    Parameters
    ----------
    transform
        laplacian, ratio, contrast, gradient, morphological (pyramids); dwt, swt, dtcwt (wavelets); curvelet,
        contourlet, nsct, nsst; guided, bilateral, gaussian (a base and details); or identity, which has a low band
        alone.
    high
        What is taken of each band of a level: maximum (absolute value), region (energy of 2 x 2), energy (of 3 x 3),
        consistency (maximum of a window, with a vote), match (Burt and Kolczynski), sml (sum-modified Laplacian), msf
        (modified spatial frequency), pcnn (X. Qu et al.) or papcnn (parameter-adaptive).
    low
        What is taken of the low band: average, maximum, energy or entropy (weights), sml, local-laplacian-energy
        (of NSST-PAPCNN) or pcnn (a choice of each coefficient), or sparse (of each patch, by its sparse code).
    levels
        Of the transform.

    Raises
    ------
    ValueError
        If one of them is unknown, or the transform cannot have so many levels.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 21, 18)
    >>> torch.allclose(Multiscale("nsst", "sml", "energy", 2)(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "multiscale"
    transform: str = field(default="laplacian", metadata=ALWAYS_SHOWN)
    high: str = field(default="maximum", metadata=ALWAYS_SHOWN)
    low: str = field(default="average", metadata=ALWAYS_SHOWN)
    levels: int = LEVELS

    def __post_init__(self) -> None:
        known = {"transform": TRANSFORMS, "high": HIGH, "low": LOW}
        for option, there in known.items():
            if (given := getattr(self, option)) not in there:
                raise ValueError(f"{option} {given!r} is unknown; known: {', '.join(there)}")
        TRANSFORMS[self.transform](self.levels)

    @property
    def weights_sha256(self) -> str | None:
        """Digest of the file that holds the dictionary of the sparse rule."""
        return sparse_dictionary.SHA256 if self.low == "sparse" else None

    @property
    def title(self) -> str:
        """The transform and what is not the customary average of the low band."""
        low = "" if self.low == "average" else f", low {self.low}"
        return f"{self.transform}, {self.high}{low}" + (f", {self.levels} levels" if self.levels != LEVELS else "")

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        return fuse(a, b, TRANSFORMS[self.transform](self.levels), high=HIGH[self.high], low=LOW[self.low])
