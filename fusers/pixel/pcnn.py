"""Fusion by a pulse-coupled neural network, pixel by pixel."""

from dataclasses import dataclass
from typing import ClassVar

from fusebench.fusers.filters.windows import median
from fusebench.fusers.rules.pulse_coupled import adaptive_firings, firings
from fusebench.fusers.rules.selection import choose, sum_modified_laplacian
from torch import Tensor

LINKINGS = ("constant", "memristor", "adaptive")
RESISTANCES = (100.0, 16000.0)  # ohm, of a memristor that is all doped and not at all


@dataclass(frozen=True)
class PCNN:
    """Take each pixel from the source whose neuron fires more often.

    W. Huang, Z. Jing, Multi-focus image fusion using pulse coupled neural network, Pattern Recognition Letters 28
    (2007). The stimulus is the sum-modified Laplacian of 3 x 3 pixels (theirs is the energy of the Laplacian, which
    differs in its diagonals), and the map of decisions is cleaned by a median.

    Parameters
    ----------
    linking
        "constant": 3 for all neurons. "memristor": the strength is the conductance of a memristor, through which the
        stimulus of a neuron drives a charge (Z. Dong, C. S. Lai, Y. He, D. Qi, S. Duan, Hybrid dual-complementary
        metal-oxide-semiconductor/memristor synapse-based neural network, 2015): with the doped part w in [0, 1] of the
        HP model equal to the stimulus, brought to [0, 1], the conductance is 1 / (R_on w + R_off (1 - w)), here over
        that of w = 1 and times 3. "adaptive": the parameters follow from the image (Y. Chen et al. 2011).
    clean
        Radius of the median, 0 for none.

    Raises
    ------
    ValueError
        If the linking is unknown, or the radius is negative.

    Examples
    --------
    >>> import torch
    >>> x = torch.rand(1, 9, 8)
    >>> torch.allclose(PCNN()(x, x), x, atol=1e-6)
    True
    """

    name: ClassVar[str] = "pcnn"
    reference: ClassVar[str] = "Huang, Jing 2007"
    linking: str = "constant"
    clean: int = 1

    def __post_init__(self) -> None:
        if self.linking not in LINKINGS:
            raise ValueError(f"linking {self.linking!r} is unknown; known: {', '.join(LINKINGS)}")
        if self.clean < 0:
            raise ValueError(f"clean={self.clean}: a radius, not negative")

    @property
    def title(self) -> str:
        """What the field calls it."""
        return {"constant": "PCNN", "memristor": "Memristor PCNN", "adaptive": "Parameter-adaptive PCNN"}[self.linking]

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        """Fuse each pair (a[n], b[n])."""
        x, y = a.double(), b.double()
        more = [self._count(sum_modified_laplacian(image)) for image in (x, y)]
        sign = (more[0] - more[1]).sign()
        if self.clean:
            sign = median(sign, self.clean, "symmetric")
        return choose(x, y, sign, -sign).clamp(0, 1).float()

    def _count(self, stimulus: Tensor) -> Tensor:
        if self.linking == "adaptive":
            return adaptive_firings(stimulus / stimulus.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12))
        return firings(stimulus, linking=3.0 if self.linking == "constant" else 3 * conductance(stimulus))


def conductance(stimulus: Tensor) -> Tensor:
    """Give the conductance of a memristor for each stimulus, over that of one that is all doped.

    Examples
    --------
    >>> import torch
    >>> conductance(torch.tensor([[[0.0, 2.0]]])).tolist()
    [[[0.0062500000931322575, 1.0]]]
    """
    low, high = stimulus.amin(dim=(1, 2), keepdim=True), stimulus.amax(dim=(1, 2), keepdim=True)
    doped = (stimulus - low) / (high - low).clamp(min=1e-12)
    on, off = RESISTANCES
    return on / (on * doped + off * (1 - doped))
