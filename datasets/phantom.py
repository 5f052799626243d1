"""The embedded default: a synthetic head with registered CT, MRI, PET and SPECT, made without the network.

Nothing here is a patient's image. Anatomy comes from the ICBM 152 2009 symmetric average brain (V. Fonov et al.,
Unbiased average age-appropriate atlases for pediatric studies, NeuroImage 54, 2011, 313-327): its T1 image and its
grey- and white-matter maps, on one 1 mm grid, as they ship inside the nilearn wheel. That T1 is stripped of
everything outside the brain, so skull and scalp are layers of constant thickness around the closed brain surface.
The modalities are simulated on that head:

MRI     the T1 image of the brain; outside it the layers with the usual order of T1 brightness (fat, skin, marrow,
        cerebrospinal fluid, cortical bone); Rician noise (H. Gudbjartsson, S. Patz, Magn. Reson. Med. 34, 1995).
CT      Hounsfield units of each tissue, Gaussian noise, a brain window of width 80 and level 40. White and grey
        matter, fluid and bone as tabulated by J. T. Bushberg et al., The Essential Physics of Medical Imaging.
PET     glucose uptake 4 : 1 : 0 in grey matter, white matter and fluid (E. J. Hoffman et al., 3-D phantom to
        simulate cerebral blood flow and metabolic images for PET, IEEE Trans. Nucl. Sci. 37, 1990, 616-620),
        blurred to the resolution of the scanner, Poisson counts, and the smoothing of a reconstruction.
SPECT   the same uptake with a wider blur and fewer counts.

Every constant stands in a table below. All slices are of one head, hence one case. PET and SPECT are grey, or in the
pseudo-colours of the Whole Brain Atlas (`coloured`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from importlib import resources

import numpy as np
import numpy.typing as npt
import torch
from fusebench.datasets import colour
from fusebench.datasets.image import quantise
from fusebench.datasets.pair import Entry, Pair

Array = npt.NDArray[np.float32]

KINDS = ("CT-MRI", "CT-PET", "SPECT-MRI")
# The colour tables of what has one.
TABLES = {"PET": "atlas-pet", "SPECT": "atlas-spect"}
COLOURED_KINDS = ("PET-MRI", "SPECT-MRI", "CT-PET")
CASE = "icbm152"
SEED = 152
CLOSING_MM = 10.0  # bridges the sulci and the gap between the hemispheres, as the inner table does
FIRST_MM, LAST_MM = -30, 70  # axial slices, MNI coordinates: from the temporal lobes to the vertex


@dataclass(frozen=True)
class Tissue:
    """One tissue: its outer limit in mm from the brain's surface (inside it, none), and what each scanner sees."""

    limit: float
    t1: float  # brightness in [0, 1]
    hounsfield: float
    uptake: float  # relative to white matter


GREY = Tissue(0, 0, 39, 4)  # T1 of the brain is the atlas's own
WHITE = Tissue(0, 0, 29, 1)
FLUID = Tissue(2.0, 0.15, 8, 0)
# Thicknesses add up to a skull of 7 mm and a scalp of 6 mm, an adult's at the vault.
LAYERS = (
    FLUID,
    Tissue(4.0, 0.03, 1500, 0),  # inner table
    Tissue(7.0, 0.35, 500, 0.1),  # diploe
    Tissue(9.0, 0.03, 1500, 0),  # outer table
    Tissue(13.5, 0.90, -90, 0.1),  # fat
    Tissue(15.0, 0.45, 40, 0.3),  # skin
)
AIR_HOUNSFIELD = -1000.0
WINDOW_LEVEL, WINDOW_WIDTH = 40.0, 80.0
CT_BLUR_MM, CT_NOISE_HU = 1.0, 3.0
T1_BRAIN = 0.8 / 255  # of the atlas's grey levels, so that fat stays brighter than white matter
T1_BLUR_MM, T1_NOISE = 1.0, 0.02


@dataclass(frozen=True)
class Emission:
    """An emission scanner: its resolution and reconstruction filter (FWHM in mm), and counts per unit of uptake."""

    resolution: float
    reconstruction: float
    counts: float


PET = Emission(resolution=5.0, reconstruction=4.0, counts=6.0)
SPECT = Emission(resolution=9.0, reconstruction=6.0, counts=1.5)
FWHM = float(2 * np.sqrt(2 * np.log(2)))  # of a Gaussian, in standard deviations


def entries(kinds: Sequence[str] = KINDS, size: int = 256) -> tuple[Entry, ...]:
    """List the synthetic pairs: every axial millimetre from z = -30 to z = 70, for each kind of pair.

    Parameters
    ----------
    kinds
        Two of CT, MRI, PET, SPECT joined by a hyphen; any combination.
    size
        Height and width: 256 at 1 mm, 128 at 2 mm, 64 at 4 mm, each pixel the mean of those it covers.

    Raises
    ------
    ValueError
        If a kind names another modality, or `size` does not divide 256.

    Examples
    --------
    >>> first = entries(["CT-PET"])[0]
    >>> first.kind, first.name, first.case
    ('CT-PET', 'icbm152-z-30', 'icbm152')
    """
    for kind in kinds:
        if len(kind.split("-")) != 2 or not set(kind.split("-")) <= SCANNERS.keys():
            raise ValueError(f"{kind!r}: a kind of pair is two of {', '.join(SCANNERS)} joined by a hyphen")
    if size < 2 or 256 % size:
        raise ValueError(f"size {size}: the phantom is made at 256 pixels or at a divisor of it")
    return tuple(
        Entry(kind, f"{CASE}-z{z:+03d}", CASE, partial(pair, kind, z, size), "phantom")
        for kind in kinds
        for z in range(FIRST_MM, LAST_MM + 1)
    )


def coloured(kinds: Sequence[str] = COLOURED_KINDS, size: int = 256) -> tuple[Entry, ...]:
    """List the same with PET and SPECT in pseudo-colour; for the parameters see `entries`.

    Examples
    --------
    >>> coloured(["SPECT-MRI"], size=64)[30].read().coloured
    ('SPECT',)
    """
    return tuple(
        Entry(entry.kind, entry.name, entry.case, partial(_coloured, entry.read), "phantom-colour")
        for entry in entries(kinds, size)
    )


def pair(kind: str, z: int, size: int = 256) -> Pair:
    """Simulate one axial slice, z in mm of MNI space, as a pair of the given kind."""
    first, second = kind.split("-")
    a, b = (torch.from_numpy(_shrink(SCANNERS[modality](z), size)) for modality in (first, second))
    return Pair(a, b, kind, f"{CASE}-z{z:+03d}", CASE, (first, second), synthetic=True)


def _coloured(read: Callable[[], Pair]) -> Pair:
    grey = read()
    (a, chroma_a), (b, chroma_b) = (
        colour.split(quantise(colour.painted(image, TABLES[modality])).movedim(0, -1).numpy())
        if modality in TABLES
        else (image, None)
        for image, modality in zip((grey.a, grey.b), grey.modalities, strict=True)
    )
    return replace(grey, a=a, b=b, chromas=(chroma_a, chroma_b))


def _mri(z: int) -> Array:
    from scipy.ndimage import gaussian_filter

    head = _head()
    slab = head.slab(z, T1_BLUR_MM)
    brain = head.t1[..., slab] * T1_BRAIN
    outside = head.layers(slab, [tissue.t1 for tissue in LAYERS], beyond=0.0)
    # Sulci and ventricles are dark in the atlas already; only what lies outside the brain is drawn.
    image = gaussian_filter(np.where(head.t1[..., slab] > 0, brain, outside), T1_BLUR_MM / FWHM)
    plane = _axial(_middle(image))
    real, imaginary = T1_NOISE * _noise("MRI", z).standard_normal((2, *plane.shape))
    noisy: Array = np.hypot(plane + real, imaginary).clip(0, 1).astype(np.float32)
    return noisy


def _ct(z: int) -> Array:
    from scipy.ndimage import gaussian_filter

    head = _head()
    slab = head.slab(z, CT_BLUR_MM)
    image = head.mix(slab, "hounsfield", AIR_HOUNSFIELD)
    image = _middle(gaussian_filter(image, CT_BLUR_MM / FWHM))
    noisy = image + CT_NOISE_HU * _noise("CT", z).standard_normal(image.shape)
    return _axial((noisy - (WINDOW_LEVEL - WINDOW_WIDTH / 2)) / WINDOW_WIDTH)


def _emission(modality: str, scanner: Emission, z: int) -> Array:
    from scipy.ndimage import gaussian_filter

    head = _head()
    uptake = head.mix(head.slab(z, scanner.resolution), "uptake", 0.0)
    expected = scanner.counts * _middle(gaussian_filter(uptake, scanner.resolution / FWHM))
    counts = _noise(modality, z).poisson(expected).astype(np.float32)
    return _axial(gaussian_filter(counts, scanner.reconstruction / FWHM) / (scanner.counts * GREY.uptake))


SCANNERS: Mapping[str, Callable[[int], Array]] = {
    "CT": _ct,
    "MRI": _mri,
    "PET": partial(_emission, "PET", PET),
    "SPECT": partial(_emission, "SPECT", SPECT),
}


@dataclass(frozen=True)
class _Head:
    """The head on the atlas's grid: axes to the right, to the front and up, 1 mm each."""

    t1: npt.NDArray[np.uint8]
    grey: npt.NDArray[np.uint8]
    white: npt.NDArray[np.uint8]
    distance: Array  # mm from the closed brain surface, 0 inside it
    origin: int  # index of z = 0

    def slab(self, z: int, fwhm: float) -> slice:
        """Give the slices a blur of this width draws on; z is the middle one."""
        reach = int(np.ceil(4 * fwhm / FWHM))
        return slice(self.origin + z - reach, self.origin + z + reach + 1)

    def layers(self, slab: slice, values: list[float], beyond: float) -> Array:
        """Give each voxel the value of the layer its distance falls into."""
        limits = [tissue.limit for tissue in LAYERS]
        return np.array([*values, beyond], dtype=np.float32)[np.searchsorted(limits, self.distance[..., slab])]

    def mix(self, slab: slice, scanner: str, beyond: float) -> Array:
        """Mean over the tissues of a voxel, weighted by the atlas's maps; fluid fills what they leave."""
        grey, white = self.grey[..., slab] / np.float32(255), self.white[..., slab] / np.float32(255)
        total = np.maximum(grey + white, 1)
        base = self.layers(slab, [getattr(tissue, scanner) for tissue in LAYERS], beyond)
        grey, white = grey / total, white / total
        mixed = grey * getattr(GREY, scanner) + white * getattr(WHITE, scanner) + (1 - grey - white) * base
        return np.asarray(mixed, dtype=np.float32)


@lru_cache(maxsize=1)
def _head() -> _Head:
    from scipy.ndimage import distance_transform_edt, zoom

    (t1, affine), (grey, _), (white, _) = (_volume(name) for name in ("t1", "gm", "wm"))
    # The surface is smooth, so its distance map is drawn on every second millimetre: eight times faster. The
    # grid's lengths are odd, so both grids end on the same voxels.
    brain = t1[::2, ::2, ::2] > 0
    # A closing by a ball, in two distance maps: out by its radius, and back in.
    grown = distance_transform_edt(~brain, sampling=2) < CLOSING_MM
    closed = distance_transform_edt(grown, sampling=2) > CLOSING_MM
    distance = distance_transform_edt(~(closed | brain), sampling=2)
    fine = zoom(distance.astype(np.float32), np.divide(t1.shape, distance.shape), order=1)
    return _Head(t1, grey, white, fine, -round(affine[2, 3]))


def _volume(name: str) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    try:
        import nibabel

        data = resources.files("nilearn") / "datasets" / "data"
    except ModuleNotFoundError as error:
        raise ValueError(
            f"the embedded head is made from volumes that {error.name} brings, which is not installed; "
            "`pip install 'fusebench[phantom]'`, or name pairs of your own with --data"
        ) from None
    file = data / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"
    with resources.as_file(file) as path:
        volume = nibabel.Nifti1Image.from_filename(path)
        return np.asarray(volume.dataobj), np.asarray(volume.affine)


def _noise(modality: str, z: int) -> np.random.Generator:
    return np.random.default_rng([SEED, tuple(SCANNERS).index(modality), z - FIRST_MM])


def _middle(slab: Array) -> Array:
    return slab[..., slab.shape[-1] // 2]


def _axial(plane: npt.NDArray[np.floating]) -> Array:
    """Turn a plane of the grid into an image: front up, centred on 256 x 256, clipped to [0, 1]."""
    image = np.rot90(plane)
    high, wide = (256 - length for length in image.shape)
    padded = np.pad(image, ((high // 2, high - high // 2), (wide // 2, wide - wide // 2)))
    return np.asarray(padded.clip(0, 1), dtype=np.float32)


def _shrink(image: Array, size: int) -> Array:
    step = 256 // size
    return np.asarray(image.reshape(size, step, size, step).mean(axis=(1, 3)), dtype=np.float32)
