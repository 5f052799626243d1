"""DICOM: a frame of a file to an image. No element that tells of a person is read."""

import warnings
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numpy as np
import numpy.typing as npt
import torch
from fusebench.datasets import colour, suv
from fusebench.datasets.reading import Window, check_file
from PIL import Image
from torch import Tensor

if TYPE_CHECKING:
    from pydicom import Dataset

T = TypeVar("T")

EXTENSIONS: tuple[str, ...] = (".dcm", ".ima", ".dicom")
CURE = "say which values are to be seen: --window MODALITY=CENTER,WIDTH"
SAME = 1e-3  # of a direction, or of a pixel's size: headers hold rounded decimals
NEAR = 0.5  # pixels that a registered pair may lie apart
# All that is read besides the groups 0002 (how the file is written) and 0028 (how the pixels are).
UIDS = ("SeriesInstanceUID", "FrameOfReferenceUID", "StudyInstanceUID")
# By the functional group that holds it for a frame.
PLACE = {
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "PixelSpacing": "PixelMeasuresSequence",
}
WINDOW = ("WindowCenter", "WindowWidth")
FUNCTIONAL_GROUPS = ("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence")
IMAGE = (
    *("NumberOfFrames", "Rows", "Columns", "SamplesPerPixel"),
    *("BitsAllocated", "BitsStored", "PhotometricInterpretation"),
)


def is_one(head: bytes) -> bool:
    """Say whether a file that begins so is DICOM: 128 bytes of anything, and DICM (PS3.10 7.1)."""
    return head[128:132] == b"DICM"


class Place(NamedTuple):
    """Where a header says that an image or a frame lies, in mm; None and "" for what it does not say.

    `axes` are the directions in which a row and a column run, (2, 3); `position` is that of the first pixel, (3,);
    `spacing` is between the centres of pixels, down and right.
    """

    series: str
    frame_of_reference: str
    study: str
    position: npt.NDArray[np.float64] | None
    axes: npt.NDArray[np.float64] | None
    spacing: npt.NDArray[np.float64] | None


class Facts(NamedTuple):
    """The height and width of a file's pixels, and what they are, such as MONOCHROME2."""

    size: tuple[int, int]
    photometric: str


class Series(NamedTuple):
    """The slices of a series in the order of their heights in mm along the normal, and what it belongs to."""

    frame_of_reference: str
    study: str
    heights: dict[Path, float]


def files(folder: Path) -> list[Path]:
    """List the DICOM files of a folder, by their first bytes."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.is_file() and not path.name.startswith(".") and path.name != "DICOMDIR":
            with path.open("rb") as file:
                if is_one(file.read(132)):
                    found.append(path)
    return found


def places(path: Path, frame: int | None = None) -> list[Place]:
    """Read where a header says that a frame of a file lies, or each of them. Raises ValueError, naming the file."""
    from pydicom import dcmread

    def find() -> list[Place]:
        count = int(_header(path).get("NumberOfFrames") or 1)
        ds = dcmread(path, stop_before_pixels=True, specific_tags=[*UIDS, *PLACE, *FUNCTIONAL_GROUPS])

        def numbers(of: int, keyword: str, *shape: int) -> npt.NDArray[np.float64] | None:
            held = _where(ds, of, PLACE[keyword], keyword)
            if held is None:
                return None
            found = np.array([float(number) for number in held[keyword].value]).reshape(shape)
            if not np.isfinite(found).all():
                raise ValueError(f"its {keyword} is not finite")
            return found

        of_series, of_frame, of_study = (str(ds.get(keyword) or "") for keyword in UIDS)
        return [
            Place(
                *(of_series, of_frame, of_study),
                numbers(of, "ImagePositionPatient", 3),
                numbers(of, "ImageOrientationPatient", 2, 3),
                numbers(of, "PixelSpacing", 2),
            )
            for of in (range(1, count + 1) if frame is None else [frame])
        ]

    return _guarded(path, find)


def axes(path: Path, frame: int) -> npt.NDArray[np.float64] | None:
    """Give the directions in which a row and a column of a frame run, (2, 3), LPS; None where the header says not."""
    return places(path, frame)[0].axes


def compare(first: Path, second: Path, frames: tuple[int | None, int | None] = (None, None)) -> list[str]:
    """Compare where two images, or the frames of two files, say that they lie; give what should be known, a line each.

    Frames are those that are named, from 1, or else all, one by one.

    Raises
    ------
    ValueError
        If their pixels differ in size, their planes are turned against each other or, in one frame of reference, they
        lie apart by more than half a pixel: single images are not resampled.
    """
    chosen = [places(path, frame) for path, frame in zip((first, second), frames, strict=True)]
    said: dict[str, None] = {}
    for n, (a, b) in enumerate(zip(*chosen, strict=False), 1):
        number = f"#{n}" if len(chosen[0]) > 1 else ""
        said |= dict.fromkeys(_compared(f"{first}{number}", a, f"{second}{number}", b))
    return list(said)


def _compared(first: str, a: Place, second: str, b: Place) -> list[str]:
    if a.spacing is not None and b.spacing is not None and not np.allclose(a.spacing, b.spacing, rtol=SAME, atol=0):
        sizes = ["{:.4g} x {:.4g} mm".format(*spacing) for spacing in (a.spacing, b.spacing)]
        raise ValueError(f"{first}: pixels of {sizes[0]}, but {second} has {sizes[1]}; single images are not resampled")
    if a.axes is None or b.axes is None or a.position is None or b.position is None:
        return []
    if a.frame_of_reference != b.frame_of_reference:
        return ["the two have different frames of reference, so that their places cannot be compared"]
    if not np.allclose(a.axes, b.axes, rtol=0, atol=SAME):
        raise ValueError(f"{first}: its plane is turned against that of {second}; single images are not resampled")
    apart = float(np.linalg.norm(a.position - b.position))
    if apart > NEAR * (1 if a.spacing is None else a.spacing.min()):
        raise ValueError(f"{first}: lies {apart:.4g} mm from {second}; a registered pair lies at one place")
    return []


def series(paths: Sequence[Path]) -> list[Series]:
    """Sort files into series, and the slices of each along their normal; give none where they are no series.

    Files are slices of a series where they say so, or each says another series and several one frame of reference, and
    all say where they lie. The normal is the cross product of a row's and a column's direction (PS3.3 C.7.6.2.1.1).

    Raises
    ------
    ValueError
        If two slices of a series lie at one height, or they are not parallel.
    """
    found = {path: places(path)[0] for path in paths}
    members: dict[str, list[Path]] = {}
    for path, place in found.items():
        members.setdefault(place.series, []).append(path)
    if "" in members or len(members) == len(paths):
        # Some programs give every file a series of its own; its place they say nevertheless.
        members = {}
        for path, place in found.items():
            members.setdefault(place.frame_of_reference, []).append(path)
        if "" in members or any(len(slices) < 2 for slices in members.values()):
            return []
    if any(place.axes is None or place.position is None for place in found.values()):
        return []
    return [_ordered({path: found[path] for path in slices}) for slices in members.values()]


def _ordered(slices: dict[Path, Place]) -> Series:
    first, place = next(iter(slices.items()))
    axes = cast("npt.NDArray[np.float64]", place.axes)
    heights: dict[Path, float] = {}
    for path, found in slices.items():
        if not np.allclose(cast("npt.NDArray[np.float64]", found.axes), axes, rtol=0, atol=SAME):
            raise ValueError(f"{path}: its plane is turned against that of {first}, of the same series")
        heights[path] = float(np.cross(*axes) @ cast("npt.NDArray[np.float64]", found.position))
    ordered = sorted(heights, key=heights.__getitem__)
    for lower, upper in pairwise(ordered):
        if heights[upper] - heights[lower] < SAME:
            raise ValueError(f"{upper}: lies where {lower.name} lies; a series has one slice at each height")
    return Series(place.frame_of_reference, place.study, {path: heights[path] for path in ordered})


def windows(path: Path) -> set[tuple[float, float]]:
    """Give the first windows that a header states, center and width, for each frame. Raises ValueError."""
    from pydicom import dcmread

    def find() -> set[tuple[float, float]]:
        count = int(_header(path).get("NumberOfFrames") or 1)
        ds = dcmread(path, stop_before_pixels=True, specific_tags=[*WINDOW, *FUNCTIONAL_GROUPS])
        held = [
            [_where(ds, frame, "FrameVOILUTSequence", keyword) for keyword in WINDOW] for frame in range(1, count + 1)
        ]
        return {(_first(center.WindowCenter), _first(width.WindowWidth)) for center, width in held if center and width}

    return _guarded(path, find)


def _first(value: Any) -> float:
    return float(np.ravel(value)[0])


def frames(path: Path) -> int:
    """Count the frames of a file from its header. Raises ValueError, naming the file."""
    return _guarded(path, lambda: int(_header(path).get("NumberOfFrames") or 1))


def numbers(path: Path) -> range:
    """Give the numbers of the frames of a file, from 1. Raises ValueError, naming the file."""
    return range(1, frames(path) + 1)


def depth(path: Path) -> str:
    """Say with how many bits a file holds a pixel: "12", "3 x 8". Raises ValueError, naming the file."""

    def say() -> str:
        header = _header(path)
        bits = header.get("BitsStored", header.BitsAllocated)
        return f"3 x {bits}" if header.SamplesPerPixel == 3 else str(bits)

    return _guarded(path, say)


def facts(path: Path) -> Facts:
    """Read how large a file's pixels are and what they show. Raises ValueError, naming the file."""

    def find() -> Facts:
        header = _header(path)
        return Facts((int(header.Rows), int(header.Columns)), str(header.PhotometricInterpretation))

    return _guarded(path, find)


def window(path: Path) -> Window | None:
    """Give the values that are black and white by a header: of its first linear window, or of 8 bits not rescaled.

    None where it has neither. Raises ValueError, naming the file.
    """

    def find() -> Window | None:
        ds, _ = _stored(path)
        given = [_where(ds, 1, "FrameVOILUTSequence", keyword) for keyword in WINDOW]
        if not all(given):
            bits = int(ds.get("BitsStored", ds.BitsAllocated))
            plain = bits <= 8 and not ds.PixelRepresentation and not _is_rescaled(ds)
            return Window(0, 2**bits - 1) if plain and not any(given) else None
        center, width = (_first(cast("Dataset", seen)[key].value) for seen, key in zip(given, WINDOW, strict=True))
        function = str(cast("Dataset", given[0]).get("VOILUTFunction") or "LINEAR")
        if function == "LINEAR_EXACT" and width > 0:
            return Window(center - width / 2, center + width / 2)
        return _linear(center, width) if function == "LINEAR" and width > 1 else None

    return _guarded(path, find)


def values(path: Path) -> npt.NDArray[np.float32]:
    """Read the values of a grey image as its header rescales them, (H, W); NaN where it says padding.

    Raises
    ------
    ValueError
        If the file is damaged, or holds several frames; the message names it.
    """

    def find() -> npt.NDArray[np.float32]:
        if (count := int(_header(path).get("NumberOfFrames") or 1)) > 1:
            raise ValueError(f"it holds {count} frames; a slice of a series has one")
        ds, pixels = _stored(path)
        rescaled = _rescaled(pixels, ds, 1).astype(np.float32)
        return np.where(_padding(pixels, ds), np.float32(np.nan), rescaled)

    return _guarded(path, find)


def uptake(path: Path) -> float:
    """Give what the values of a PET image are multiplied with to be SUV (`suv.factor`). Raises ValueError."""
    from pydicom import dcmread

    return _guarded(path, lambda: suv.factor(dcmread(path, stop_before_pixels=True, specific_tags=list(suv.ELEMENTS))))


def read(
    path: Path, frame: int = 1, window: Window | None = None, table: str | None = None
) -> tuple[Tensor, Tensor | None]:
    """Read a frame, counted from 1, as grey and, where it is coloured, chroma.

    Grey goes the way of the standard (PS3.3 C.11): stored values, the modality's rescale or table, a window. The window
    is the one given, or the header's first, or the header's table of grey levels; without any of them 8 stored bits
    give their whole range, and more are refused: their range says nothing of what is to be seen. MONOCHROME1 is
    inverted. Pixels that the header calls padding are black. RGB, YBR and palette images become luma and chroma, or the
    scalar of a table, as `image.read` makes them.
    Overlays are left out. Compressed frames are decoded where pydicom has a decoder for them.

    Returns
    -------
    grey, chroma
        Shape (H, W), float32, in [0, 1]; and (2, H, W) in [-0.5, 0.5], or None.

    Raises
    ------
    ValueError
        If the file is no DICOM image, is damaged, claims more than it holds, or says not how it is to be seen; the
        message names the file.
    """
    return _guarded(path, lambda: _read(path, frame, window, table))


def _stored(path: Path, frame: int = 1, elements: Sequence[str] = ()) -> tuple["Dataset", npt.NDArray[Any]]:
    """Read a frame's pixels as they are stored, and what the header says of them and of more elements."""
    from pydicom import Dataset
    from pydicom.datadict import tag_for_keyword
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.pixels.utils import pixel_array

    count = int(_header(path).get("NumberOfFrames") or 1)
    if not 1 <= frame <= count:
        raise ValueError(f"no frame {frame}; it holds {count}")
    syntax = _syntax(path)
    if not get_decoder(syntax).is_available:
        raise ValueError(
            f"compressed as {syntax.name}, for which no decoder is installed; `pip install pylibjpeg "
            "pylibjpeg-libjpeg pylibjpeg-openjpeg` brings one"
        )
    ds = Dataset()
    tags = [cast("int", tag_for_keyword(keyword)) for keyword in (*FUNCTIONAL_GROUPS, *elements)]
    pixels = pixel_array(path, ds_out=ds, specific_tags=tags, index=frame - 1)
    return ds, pixels


def _read(path: Path, frame: int, window: Window | None, table: str | None) -> tuple[Tensor, Tensor | None]:
    from pydicom.pixels.processing import apply_color_lut

    # What an uptake is computed with tells of the patient, and is read for that alone.
    ds, pixels = _stored(path, frame, suv.ELEMENTS if window and window.unit else ())
    if (kind := str(ds.PhotometricInterpretation)).startswith("MONOCHROME"):
        grey = _grey(pixels, ds, frame, window)
        grey = 1 - grey if kind == "MONOCHROME1" else grey
        return grey.masked_fill(torch.from_numpy(_padding(pixels, ds)), 0), None
    if kind == "PALETTE COLOR":
        pixels = apply_color_lut(pixels, ds)[..., :3]
        pixels = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ValueError(f"{kind} pixels of {pixels.dtype}; colour is read at 8 bits")
    if window and window.unit:
        raise ValueError("an image in colours holds no activity, of which SUV is computed")
    if (grey_pixels := colour.collapse(pixels)).ndim == 2:
        return (window or Window(0, 255))(grey_pixels), None
    if window:
        raise ValueError("a coloured image; a window is for grey ones")
    return colour.grey_and_chroma(pixels, table)


def _grey(stored: npt.NDArray[Any], ds: "Dataset", frame: int, window: Window | None) -> Tensor:
    values = _rescaled(stored, ds, frame)
    if window:
        return window(values * suv.factor(ds) if window.unit else values)
    given = [_where(ds, frame, "FrameVOILUTSequence", keyword) for keyword in WINDOW]
    if any(given) and not all(given):
        held, lacking = ("center", "width") if given[0] else ("width", "center")
        raise ValueError(f"its window has a {held} and no {lacking}; {CURE}")
    if seen := given[0]:
        center, width = (_first(seen[key].value) for key in WINDOW)
        return _windowed(values, center, width, str(seen.get("VOILUTFunction") or "LINEAR"))
    if ds.get("VOILUTSequence"):
        levels, depth_of_levels = _look_up(values, ds.VOILUTSequence[0], ds)
        return Window(0, 2**depth_of_levels - 1)(levels)
    bits = int(ds.get("BitsStored", ds.BitsAllocated))
    if bits <= 8 and not _is_rescaled(ds, frame):
        low = -(2 ** (bits - 1)) if ds.PixelRepresentation else 0
        return Window(low, low + 2**bits - 1)(values)
    raise ValueError(f"its header has no window; {CURE}")


def _rescaled(stored: npt.NDArray[Any], ds: "Dataset", frame: int) -> npt.NDArray[Any]:
    """Send stored values through the modality's table or rescale, PS3.3 C.11.1."""
    if ds.get("ModalityLUTSequence"):
        return _look_up(stored, ds.ModalityLUTSequence[0], ds)[0]
    if rescale := _where(ds, frame, "PixelValueTransformationSequence", "RescaleSlope"):
        scaled: npt.NDArray[Any] = stored * float(rescale.RescaleSlope) + float(rescale.get("RescaleIntercept", 0))
        return scaled
    return stored


def _is_rescaled(ds: "Dataset", frame: int = 1) -> bool:
    """Say whether the values of a frame are not the stored ones."""
    rescale = _where(ds, frame, "PixelValueTransformationSequence", "RescaleSlope")
    scale = None if rescale is None else (rescale.RescaleSlope, rescale.get("RescaleIntercept", 0))
    return bool(ds.get("ModalityLUTSequence")) or scale not in {None, (1, 0)}


def _padding(stored: npt.NDArray[Any], ds: "Dataset") -> npt.NDArray[np.bool_]:
    """Say which pixels are no part of the image, PS3.3 C.7.5.1.1.2: those of a value, or of a range of values."""
    if ds.get("PixelPaddingValue") is None:
        return np.zeros(stored.shape, dtype=bool)
    ends = [ds.PixelPaddingValue, ds.get("PixelPaddingRangeLimit", ds.PixelPaddingValue)]
    # Of signed pixels some writers give the value as unsigned.
    low, high = sorted(np.array(ends).astype(stored.dtype))
    padded: npt.NDArray[np.bool_] = (low <= stored) & (stored <= high)
    return padded


def _windowed(values: npt.NDArray[Any], center: float, width: float, function: str) -> Tensor:
    """Apply a header's window, PS3.3 C.11.2.1.2 and C.11.2.1.3."""
    if not (np.isfinite(center) and np.isfinite(width) and width > 0):
        raise ValueError(f"its window has center {center:g} and width {width:g}; {CURE}")
    match function:
        case "LINEAR_EXACT":
            return Window(center - width / 2, center + width / 2)(values)
        case "SIGMOID":
            with np.errstate(over="ignore"):  # far below the window e^x is infinite, and grey 0
                return Window(0, 1)(1 / (1 + np.exp(-4 * (values - center) / width)))
        case "LINEAR" if width == 1:
            return torch.from_numpy((values > center - 0.5).astype(np.float32))
        case "LINEAR" if width > 1:
            return _linear(center, width)(values)
    raise ValueError(
        f"its window has width {width:g} and the function {function}, which the standard does not know; {CURE}"
    )


def _linear(center: float, width: float) -> Window:
    """Give the ends of a window wider than 1, PS3.3 C.11.2.1.2."""
    return Window(center - 0.5 - (width - 1) / 2, center - 0.5 + (width - 1) / 2)


def _look_up(values: npt.NDArray[Any], item: "Dataset", ds: "Dataset") -> tuple[npt.NDArray[Any], int]:
    """Send values through a table, PS3.3 C.11.1.1; give its bits an entry too."""
    count, first, bits = (int(number) for number in item.LUTDescriptor)
    data: Any = item.LUTData
    if isinstance(data, bytes):
        little = bool(ds.file_meta.TransferSyntaxUID.is_little_endian)
        data = np.frombuffer(data, dtype=("<u2" if little else ">u2") if len(data) >= 2 * (count or 2**16) else "u1")
    entries = np.asarray(data)[: count or 2**16]
    return entries[(np.rint(values).astype(np.int64) - first).clip(0, len(entries) - 1)], bits


def _where(ds: "Dataset", frame: int, group: str, keyword: str) -> "Dataset | None":
    """Find where an element stands for a frame: in its functional groups, those of all frames, or the header."""
    shared = list(ds.get("SharedFunctionalGroupsSequence") or [])[:1]
    own = list(ds.get("PerFrameFunctionalGroupsSequence") or [])[frame - 1 : frame]
    held = [item for groups in (*own, *shared) for item in list(groups.get(group) or [])[:1]]
    return next((item for item in (*held, ds) if keyword in item and not item[keyword].is_empty), None)


def _header(path: Path) -> "Dataset":
    """Read what says how large the pixels are, and refuse what the file cannot hold."""
    from pydicom import dcmread

    compressed = _syntax(path).is_compressed
    ds = dcmread(path, stop_before_pixels=True, specific_tags=list(IMAGE))
    if "Rows" not in ds:
        raise ValueError("it holds no image")
    height, width, samples = int(ds.Rows), int(ds.Columns), int(ds.SamplesPerPixel)
    count, size = int(ds.get("NumberOfFrames") or 1), path.stat().st_size
    if min(height, width, samples, count) < 1:
        raise ValueError(f"{count} frames of {height} x {width} pixels of {samples} samples")
    if height * width > (Image.MAX_IMAGE_PIXELS or height * width):
        raise ValueError(f"{height} x {width} pixels; at most {Image.MAX_IMAGE_PIXELS} are read")
    # Of 4:2:2 pixels two share their chroma; a frame that is compressed has at least the head of its item.
    stored = 2 if ds.PhotometricInterpretation == "YBR_FULL_422" else samples
    needed = 8 * count if compressed else count * height * width * stored * int(ds.BitsAllocated) // 8
    if needed > size:
        raise ValueError(f"claims {count} frames of {height} x {width} pixels in a file of {size} bytes")
    return ds


def _syntax(path: Path) -> Any:
    """Give the transfer syntax."""
    from pydicom.errors import InvalidDicomError
    from pydicom.filereader import read_file_meta_info
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    try:
        syntax = read_file_meta_info(path).TransferSyntaxUID
    except InvalidDicomError:
        raise ValueError("not a DICOM file, which begins with 128 bytes and DICM") from None
    except AttributeError:
        raise ValueError("it does not say how it is written: no transfer syntax") from None
    if syntax == DeflatedExplicitVRLittleEndian:
        raise ValueError("a deflated header and pixels, which may grow without limit; store it uncompressed")
    return syntax


def _guarded(path: Path, take: Callable[[], T]) -> T:
    check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of values outside the standard that do not touch the pixels
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return take()
    except Exception as error:  # whatever a parser makes of a damaged or hostile file
        raise ValueError(f"{path}: cannot be read as DICOM ({error or type(error).__name__})") from error
