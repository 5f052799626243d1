"""The curvature of a loss of VGG16's features, estimated by frequency: where L-BFGS begins."""

import torch
from fusebench.fusers.neural.vgg16_network import Network
from torch import Tensor

# The Hessian is estimated as a filter: a value for each of RINGS rings of frequencies, at least FLOOR of the largest,
# raised to this exponent. conv1_2 takes 14 evaluations, not 19, and conv2_1 23, not 27; deeper it gains nothing.
EXPONENT = 0.2
RINGS = 48
FLOOR = 1e-3


class Curvature:
    """The loss's Hessian at images x, nearly 2 J'J, as far as one random direction shows it.

    `power` is the mean power S(r) that J'J has at the radial frequency r, seen in v'J'Jv for white noise v, at each
    frequency; `mean`, (N,), float64, is v'J'Jv / v'v.
    """

    def __init__(self, network: Network, x: Tensor) -> None:
        height, width = x.shape[1:]
        noise = torch.randn(height, width, generator=torch.Generator().manual_seed(0)).to(x).expand(x.shape)
        frequency = torch.fft.fftfreq(height)[:, None].hypot(torch.fft.rfftfreq(width))
        ring = (frequency / frequency.max() * (RINGS - 1)).round().long().to(x.device)
        spectrum = torch.fft.rfft2(noise)
        response = network.curvature(x, noise)
        found = torch.fft.rfft2(response)
        sums = by_ring(torch.stack([(spectrum.conj() * found).real, spectrum.abs().square()]), ring)
        power = (sums[0] / sums[1]).to(x.dtype)[:, ring]  # every ring that is looked up holds a frequency
        highest = power.amax(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)
        self._inverse = (power / highest).clamp(min=FLOOR) ** -EXPONENT / (2 * highest)
        self.mean = (noise * response).double().sum(dim=(1, 2)) / noise.double().square().sum(dim=(1, 2))

    def inverse(self, vector: Tensor, rows: Tensor) -> Tensor:
        """Multiply images by the filter S^(-EXPONENT), scaled so that no frequency is overshot by a first step.

        An exponent of 1 would be the inverse itself; less trusts the estimate less, which is of the start and of one
        direction.
        """
        product: Tensor = torch.fft.irfft2(self._inverse[rows] * torch.fft.rfft2(vector), s=vector.shape[1:])
        return product


def by_ring(power: Tensor, ring: Tensor) -> Tensor:
    """Sum values (..., h, w) over the places with each number from 0 to 47 in `ring` (h, w): (..., 48), float64.

    As a product with the rings' masks: on a GPU `index_add_` and `bincount` sum in another order each time.

    Examples
    --------
    >>> by_ring(torch.tensor([[1.0, 2.0], [4.0, 8.0]]), torch.tensor([[0, 1], [1, 1]]))[:3].tolist()
    [1.0, 14.0, 0.0]
    """
    masks = ring.flatten() == torch.arange(RINGS, device=ring.device)[:, None]
    return power.flatten(-2).double() @ masks.double().mT
