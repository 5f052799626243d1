"""How well the fused image keeps features that are found by phase congruency, which does not depend on contrast."""

import math
from functools import partial, reduce
from typing import NamedTuple

import torch
import torch.nn.functional as F
from fusebench.metrics.base import Metric, grey_levels, same_size, shared
from fusebench.metrics.maps import Local, Map
from fusebench.metrics.windows import blur, gaussian
from torch import Tensor

# Kovesi's parameters, as in the reference implementation of Q_P.
SCALES = 4
ORIENTATIONS = 6
SHORTEST_WAVE = 3  # pixels
WAVE_RATIO = 2.1  # from scale to scale
RADIAL_SPREAD = 0.55  # standard deviation over centre frequency, on the logarithmic axis
ANGULAR_SPREAD = math.pi / ORIENTATIONS / 1.2
CUTOFF, CUTOFF_ORDER = 0.45, 15  # Butterworth low-pass: the spectrum's corners are left out
NOISE_DEVIATIONS = 2
NOISE_OVERESTIMATE = 1.7  # Kovesi's empirical correction
WIDTH_CENTRE, WIDTH_SLOPE = 0.5, 10  # a narrow spectrum is no feature
EPSILON = 1e-4

TILE = 1 << 15  # pixels that are worked on at a time
THRESHOLD = 0.1  # a pixel of higher phase congruency is a feature
GUARD = 1e-6  # of a division by two deviations, which are about 0.1 at a feature
STABILISER = 1e-4  # the paper's
WINDOW = gaussian(11, 1.5)


class PhaseCongruency(NamedTuple):
    """Phase congruency of images, and the greatest and least moment of its covariance over the orientations.

    Each (N, H, W). The greatest moment is high on edges and corners, the least on corners.
    """

    congruency: Tensor
    greatest: Tensor
    least: Tensor


def phase_congruency_quality(a: Tensor, b: Tensor, fused: Tensor, *, stabilised: bool = False) -> Local:
    """Similarity of phase congruency and its moments, Q_P = P_p P_M P_m.

    For each of the three maps of `phase_congruency`, P is the mean over the features of the greatest of three local
    correlations with the fused image's map: of a's map, of b's, and of the one that at each pixel takes the source of
    the higher phase congruency. A feature is a pixel where that exceeds 0.1, and a source's map is 0 where it has none.
    The correlation is s_xf / (s_x s_f + 0.000001) in a Gaussian window of 11 x 11 pixels, sigma 1.5.

    Parameters
    ----------
    a, b
        The sources, (N, H, W) or (1, H, W); uint8, or floating in [0, 1].
    fused
        The fused images, (N, H, W).
    stabilised
        Whether the correlation is (s_xf + 0.0001) / (s_x s_f + 0.0001), as in the paper.

    Returns
    -------
    Local
        Pools to (N,), float64, from about -1 to 1. Identical images have about 0.9, since the fused image's
        maps are not set to 0 where there is no feature. 0 for a constant fused image. NaN if the sources have no
        feature, as constant images. Phase congruency does not depend on contrast: an image that has lost most of its
        contrast, and the negative, score about as the image itself.

    Raises
    ------
    ValueError
        If the sizes differ; see `grey_levels`.

    Notes
    -----
    J. Zhao, R. Laganiere, Z. Liu, Performance assessment of combinative pixel-level image fusion based on an absolute
    feature measurement, Int. J. Innovative Computing, Information and Control 3 (2007); Z. Liu et al., Objective
    assessment of multiresolution image fusion algorithms, IEEE Trans. PAMI 34 (2012), whose code fixes what the papers
    leave open: the constants, the three exponents 1, a window that sees 0 beyond the border.

    In the paper the correlation is (s_xf + 0.0001) / (s_x s_f + 0.0001), which is 1 where the fused image's map does
    not vary: a constant image scored 0.9996 where the average of its sources scored 0.345. The constant guards the
    division, and for that a smaller one in the denominator is enough. The paper's form is Q_P@zhengliu.

    Of an even side the frequency 1/2 lies on one side of the spectrum only, so the score changes when all three images
    are flipped or transposed, by up to 0.02 % on three real pairs.

    Examples
    --------
    A bright square and its negative: phase congruency does not see the difference.

    >>> x = torch.zeros(1, 32, 32, dtype=torch.uint8)
    >>> x[:, 8:24, 8:24] = 200
    >>> q = phase_congruency_quality(x, x, torch.cat([x, 200 - x])).pool()
    >>> [round(value, 2) for value in q.tolist()]
    [0.87, 0.87]
    """
    same_size(a, b, fused)
    of_a, of_b, of_fused = phase_congruency(a), phase_congruency(b), phase_congruency(fused)
    from_a = of_a.congruency > of_b.congruency
    in_a, in_b = of_a.congruency > THRESHOLD, of_b.congruency > THRESHOLD
    in_either = in_a | in_b
    found = torch.stack([in_a.expand_as(in_either), in_b.expand_as(in_either), in_either])
    qualities = []
    for x, y, f in zip(of_a, of_b, of_fused, strict=True):
        chosen = torch.where(from_a, x, y)
        sources = torch.stack([x.expand_as(chosen), y.expand_as(chosen), chosen]) * found
        best = torch.where(found, _correlation(sources, f, stabilised), 0.0).amax(dim=0)
        qualities.append(Map(best, in_either))
    of_congruency, of_greatest, of_least = qualities
    return of_congruency * of_greatest * of_least


def _correlation(x: Tensor, y: Tensor, stabilised: bool) -> Tensor:  # noqa: FBT001  handed on
    """Correlate two maps in the window around each pixel."""
    mean_x, mean_y = _blur(x), _blur(y)
    variance_x, variance_y = _blur(x.square()) - mean_x.square(), _blur(y.square()) - mean_y.square()
    covariance = _blur(x * y) - mean_x * mean_y
    # The magnitude: rounding may leave a negative variance.
    deviations = (variance_x * variance_y).abs().sqrt()
    return (covariance + STABILISER) / (deviations + STABILISER) if stabilised else covariance / (deviations + GUARD)


def _blur(maps: Tensor) -> Tensor:
    """Weigh the window around each pixel with a Gaussian; beyond the border is 0."""
    return blur(F.pad(maps, (len(WINDOW) // 2,) * 4), WINDOW)


@shared
def phase_congruency(image: Tensor) -> PhaseCongruency:
    """Phase congruency with log-Gabor filters, 4 scales by 6 orientations.

    At a feature (a step, a line, a corner) the Fourier components are in phase, whatever its contrast. Of each
    orientation the responses' energy along their mean phase, less what noise would give, is divided by the sum of their
    amplitudes.

    Parameters
    ----------
    image
        Shape (N, H, W); uint8, or floating in [0, 1].

    Returns
    -------
    PhaseCongruency
        Maps of (N, H, W), float64, the congruency from 0 to 1; 0 on flat ground.

    Raises
    ------
    ValueError
        See `grey_levels`.

    Notes
    -----
    P. Kovesi, Image features from phase congruency, Videre 1 (1999); Phase congruency detects corners and edges, DICTA
    2003. As in the implementation that Q_P is published with: with its mixed moment, which lacks Kovesi's factor 4, so
    that the moments of an oblique edge are not quite those of an upright one. Otherwise than there where a side is odd:
    frequencies here are k / n, there k / (n - 1) with a low-pass filter that is off by one. Where an orientation has no
    response at all its congruency is 0 / 0 and is defined as 0.

    Examples
    --------
    >>> x = torch.zeros(1, 32, 32, dtype=torch.uint8)
    >>> x[:, :, 16:] = 200
    >>> pc = phase_congruency(x)
    >>> pc.congruency[0, 16, [8, 15]] > THRESHOLD
    tensor([False,  True])
    """
    levels = grey_levels(image)
    height, width = levels.shape[1:]
    spectrum = torch.fft.fft2(levels)
    radial, angular, noise = _filters(height, width, levels.device)
    # A row for each row of each image. An orientation at a time, and of what follows the FFT a few rows at a time: that
    # stays in the cache, and all 24 responses of a large image would not fit into the memory.
    energies, amplitude, xx, yy, xy = (levels.new_zeros(len(levels) * height, width) for _ in range(5))
    product, responses = torch.empty_like(spectrum), [torch.empty_like(spectrum) for _ in range(SCALES)]
    rows = max(1, TILE // width)
    for n in range(ORIENTATIONS):
        # Real part: even filter; imaginary part: odd filter.
        for scale, response in zip(radial, responses, strict=True):
            torch.fft.ifft2(torch.mul(spectrum, scale * angular[n], out=product), out=response)
        thresholds = (
            noise[n] * _median(_squared(responses[0].real, responses[0].imag).flatten(1)).sqrt()
        ).repeat_interleave(height)
        x, y = math.cos(n * math.pi / ORIENTATIONS), math.sin(n * math.pi / ORIENTATIONS)
        for start in range(0, len(energies), rows):
            part = slice(start, start + rows)
            energy, total = _energy([response.flatten(0, 1)[part] for response in responses], thresholds[part, None])
            congruency = energy / total.clamp(min=torch.finfo(total.dtype).tiny)  # 0 where there is no response
            energies[part] += energy
            amplitude[part] += total
            xx[part] += (x * congruency).square()
            yy[part] += (y * congruency).square()
            xy[part] += x * y * congruency.square()
    trace, difference = (xx + yy) / (ORIENTATIONS / 2), (xx - yy) / (ORIENTATIONS / 2)
    spread = ((xy / ORIENTATIONS).square() + difference.square()).sqrt() + EPSILON
    maps = energies / (amplitude + EPSILON), (trace + spread) / 2, (trace - spread) / 2
    return PhaseCongruency(*(of_rows.view(levels.shape) for of_rows in maps))


def _energy(responses: list[Tensor], threshold: Tensor) -> tuple[Tensor, Tensor]:
    """Give the energy of an orientation along its scales' mean phase, less the noise, and the sum of amplitudes."""
    # Contiguous, since what follows is several times as fast on them.
    even, odd = [x.real.contiguous() for x in responses], [x.imag.contiguous() for x in responses]
    amplitudes = [_length(x, y) for x, y in zip(even, odd, strict=True)]
    mean_even, mean_odd = reduce(torch.add, even), reduce(torch.add, odd)
    length = _length(mean_even, mean_odd)
    along = length.square()
    length += EPSILON
    mean_even, mean_odd, along = mean_even.div_(length), mean_odd.div_(length), along.div_(length)
    # Across the mean phase: the cross product of two complex numbers as vectors.
    across = [(y * mean_even).addcmul_(x, mean_odd, value=-1).abs_() for x, y in zip(even, odd, strict=True)]
    total = reduce(torch.add, amplitudes)
    width = total / (reduce(torch.maximum, amplitudes) + EPSILON) / SCALES
    weight = torch.sigmoid(WIDTH_SLOPE * (width - WIDTH_CENTRE))
    return weight * (along - reduce(torch.add, across) - threshold).clamp_(min=0), total


def _length(x: Tensor, y: Tensor) -> Tensor:
    """Give the length of vectors (x, y), in less time than `hypot`, which guards against overflow."""
    return _squared(x, y).sqrt_()


def _squared(x: Tensor, y: Tensor) -> Tensor:
    """Give the squared length of vectors (x, y)."""
    return x.square().addcmul_(y, y)


def _median(values: Tensor) -> Tensor:
    """Give the median of each row, (N, P) to (N,): of an even number the mean of the middle two."""
    lower = values.median(dim=1, keepdim=True).values
    above = torch.where(values > lower, values, math.inf).amin(dim=1)
    odd_or_tied = (values <= lower).sum(dim=1) > values.shape[1] // 2
    return torch.where(odd_or_tied, lower[:, 0], (lower[:, 0] + above) / 2)


@shared
def _filters(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Make the filters for images of one size, in the order of the FFT.

    Returns the radial factors, (SCALES, H, W), the angular ones, (ORIENTATIONS, H, W), and for each orientation the
    noise threshold of images whose median squared response at the finest scale is 1.
    """
    v = torch.fft.fftfreq(height, dtype=torch.float64, device=device).unsqueeze(1)
    u = torch.fft.fftfreq(width, dtype=torch.float64, device=device)
    radius, theta = torch.hypot(u, v), torch.atan2(-v, u.expand(height, width))
    low_pass = 1 / (1 + (radius / CUTOFF) ** (2 * CUTOFF_ORDER))
    scales = torch.arange(SCALES, dtype=torch.float64, device=device).view(-1, 1, 1)
    # Logarithmic, from each scale's centre frequency. At frequency 0 this is -inf, and the filter 0.
    distance = radius.log() + math.log(SHORTEST_WAVE) + scales * math.log(WAVE_RATIO)
    radial = _gaussian(distance, math.log(RADIAL_SPREAD)).mul_(low_pass)
    summed = radial.sum(dim=0)

    # Noise of variance P gives the finest scale a mean squared response of P |filter|^2, estimated by the median of a
    # Rayleigh distribution, and the sum over the scales one of P |even part of the filters' sum|^2.
    angular = torch.empty(ORIENTATIONS, height, width, dtype=torch.float64, device=device)
    rayleigh = torch.empty(ORIENTATIONS, dtype=torch.float64, device=device)
    for n in range(ORIENTATIONS):
        turned = torch.remainder(theta - (n * math.pi / ORIENTATIONS - math.pi), 2 * math.pi) - math.pi
        angular[n] = _gaussian(turned, ANGULAR_SPREAD)
        whole = summed * angular[n]
        even = (whole + whole.flip((0, 1)).roll((1, 1), (0, 1))) / 2
        finest = radial[0] * angular[n]
        rayleigh[n] = (even.square().sum() / finest.square().sum() / math.log(2)).sqrt()
    mean, deviation = math.sqrt(math.pi / 2), math.sqrt(2 - math.pi / 2)
    return radial, angular, rayleigh * (mean + NOISE_DEVIATIONS * deviation) / NOISE_OVERESTIMATE


def _gaussian(x: Tensor, sigma: float) -> Tensor:
    return (x / sigma).square_().div_(-2).exp_()


Q_P = Metric(
    name="Q_P",
    convention="zhao",
    family="structure",
    source="Zhao, Laganiere and Liu 2007; Z. Liu et al. 2012; a guard in the denominator alone",
    formula=(
        r"Q_P = P_p \, P_M \, P_m, \quad P = \overline{\max\left(r(a, f), r(b, f), r(\max, f)\right)}, "
        r"\quad r(x, f) = \frac{\sigma_{xf}}{\sigma_x \sigma_f + 10^{-6}}"
    ),
    range=(-1, 1),
    identical=None,
    constant=math.nan,
    undefined=True,
    reach=math.inf,
    float32=1e-5,
    map=phase_congruency_quality,
)

Q_P_ZHENGLIU = Metric(
    name="Q_P",
    convention="zhengliu",
    family="structure",
    source="imageFusionMetrics (zhengliu), MEFB and MFIF, as in Zhao's paper: 1 where the fused image has no feature",
    range=(-1, 1),
    identical=None,
    constant=math.nan,
    undefined=True,
    reach=math.inf,
    float32=1e-5,
    map=partial(phase_congruency_quality, stabilised=True),
    variant=True,
)

RECORDS = (Q_P, Q_P_ZHENGLIU)
