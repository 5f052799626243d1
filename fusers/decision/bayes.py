"""Fusion by Bayes' rule: the source that is the more likely one to show a region."""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from fusebench.fusers.rules.selection import sum_modified_laplacian, window_energy
from fusebench.fusers.transforms.borders import extend
from torch import Tensor

TINY = 1e-8  # added to an activity, so that flat regions tell nothing


@dataclass(frozen=True)
class Bayes:
    """Decide for each region which source shows it, by the maximum of the posterior.

    Two measures of activity, the local variance and the sum-modified Laplacian, are observed as the logarithms of their
    ratios between the sources. Prior: the first source shows a region with the probability `prior`. Likelihood: each
    log ratio is normal with deviation `spread` around +1 where the first source shows the region and around -1 where
    the second does, independently. So the posterior log odds are log(prior / (1 - prior)) + 2 sum(log ratios) /
    spread^2. A region is a square of `region` pixels, whose pixels' log ratios are averaged; the decisions are mixed
    across the regions' borders by interpolating the posterior between their middles, which `soft` leaves as it is and
    which else is cut at one half. The idea of deciding a label by the posterior: R. K. Sharma, T. K. Leen, M. Pavel,
    Bayesian sensor image fusion using local linear generative models, 2001; the model above is the bench's own.

    Parameters
    ----------
    prior
        Between 0 and 1.
    spread
        Positive.
    region
        Side of a region in pixels, at least 1.
    soft
        Whether the sources are weighted by the posterior.

    Raises
    ------
    ValueError
        If a number is out of its range.

    Examples
    --------
    >>> x = torch.rand(1, 9, 12)
    >>> torch.allclose(Bayes()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "bayes"
    title: ClassVar[str] = "Bayes"
    prior: float = 0.5
    spread: float = 1.0
    region: int = 8
    soft: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.prior < 1 or not self.spread > 0 or self.region < 1:
            raise ValueError(
                f"prior={self.prior}, spread={self.spread}, region={self.region}: a prior lies between 0 and 1, the "
                "others are positive"
            )

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        x, y = a.double(), b.double()
        weight = self.posterior(x, y)
        if not self.soft:
            weight = (weight - 0.5).sign() / 2 + 0.5
        return (weight * x + (1 - weight) * y).clamp(0, 1).float()

    def posterior(self, a: Tensor, b: Tensor) -> Tensor:
        """Give the probability that each pixel is shown by the first source, (N, H, W), for sources in float64."""
        height, width = a.shape[1:]
        pad = [(0, -height % self.region), (0, -width % self.region)]
        wide = [extend(image, pad) for image in (a, b)]
        ratios = [
            (measure(wide[0]) + TINY).log() - (measure(wide[1]) + TINY).log() for measure in (_variance, _laplacian)
        ]
        told = F.avg_pool2d((ratios[0] + ratios[1])[:, None], self.region)
        odds = torch.logit(torch.tensor(self.prior, dtype=torch.float64)) + 2 * told / self.spread**2
        found = F.interpolate(odds.sigmoid(), scale_factor=self.region, mode="bilinear", align_corners=False)
        return found[:, 0, :height, :width]


def _variance(image: Tensor) -> Tensor:
    """Give the variance in the 3 x 3 pixels around each."""
    wide = F.pad(image[:, None], (1, 1, 1, 1), mode="replicate")
    mean = F.avg_pool2d(wide, 3, stride=1)[:, 0]
    return (window_energy(image) / 9 - mean.square()).clamp(min=0)


def _laplacian(image: Tensor) -> Tensor:
    return sum_modified_laplacian(image).square()
