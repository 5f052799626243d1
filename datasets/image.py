"""Pictures: files of PNG, TIFF, BMP and JPEG to grey and chroma, and 8 bits back to files, without loss."""

import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from fusebench.datasets import colour
from fusebench.datasets.reading import Window, check_file
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

T = TypeVar("T")

EXTENSIONS: tuple[str, ...] = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")
FORMATS = ("PNG", "TIFF", "BMP", "JPEG")  # whatever a file is called; Pillow would run Ghostscript on PostScript
MAGIC = (b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"BM", b"\xff\xd8\xff")
LOSSLESS = (".png", ".tif", ".tiff", ".bmp")


def is_one(head: bytes) -> bool:
    """Say whether a file that begins so is PNG, TIFF, BMP or JPEG."""
    return head.startswith(MAGIC)


def read(path: Path, window: Window | None = None, table: str | None = None) -> tuple[Tensor, Tensor | None]:
    """Read an image file as grey and, where it is coloured, chroma.

    The scale follows the file's bit depth, never its contents: 8 bits are divided by 255, 16 bits by 65535. Files that
    hold 12 bits in 16, signed or real numbers, need a window, which states the scale. An image that says which way up
    it is (EXIF) is turned so.
    Palette and RGB images become luma and chroma (`colour.split`), or with a table the scalar it shows
    (`colour.invert`); a colour image whose three channels are equal is grey. An opaque alpha channel is dropped.
    Colour, and grey with alpha, at 16 bits is read at 8. Other depths, and files of several images, are refused.

    Returns
    -------
    grey, chroma
        Shape (H, W), float32, in [0, 1]; and (2, H, W) in [-0.5, 0.5], or None.

    Raises
    ------
    ValueError
        If the file is no image, is damaged, or has a type with no stated range; the message names the file.
    """
    pixels = colour.collapse(_decode(path, lambda image: _pixels(image, stated=window is not None)))
    if pixels.ndim == 3 and window:
        raise ValueError(f"{path}: a coloured image; a window is for grey ones")
    try:
        if pixels.ndim == 3:
            return colour.grey_and_chroma(pixels, table)
        return (window or Window(0, 255 if pixels.dtype == np.uint8 else 65535))(pixels), None
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def channels(path: Path) -> Tensor:
    """Read a coloured image file as R, G and B: (3, H, W), uint8. Raises ValueError, naming the file."""
    pixels = _decode(path, lambda image: _pixels(image, stated=False))
    if pixels.ndim != 3:
        raise ValueError(f"{path}: is no coloured image")
    return torch.from_numpy(np.moveaxis(pixels, -1, 0).copy())


def pixels(path: Path) -> npt.NDArray[Any]:
    """Give the numbers of an image file as it holds them, (H, W) or (H, W, 3). Raises ValueError, naming the file."""
    return colour.collapse(_decode(path, lambda image: _pixels(image, stated=True)))


def depth(path: Path) -> str:
    """Say with how many bits a file holds a pixel: "8", "16", "3 x 8". Raises ValueError, naming the file."""
    depths = {"1": "1", "RGB": "3 x 8", "RGBA": "3 x 8", "P": "3 x 8", "PA": "3 x 8", "YCbCr": "3 x 8", "F": "float32"}
    return _decode(path, lambda image: "16" if image.mode.startswith("I") else depths.get(image.mode, "8"))


def _decode(path: Path, take: Callable[[Image.Image], T]) -> T:
    check_file(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata that Pillow can do without
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Opened by its name, a raw TIFF that lies on its side is mapped to memory and scrambled by Pillow.
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
                return take(image)
    except Exception as error:  # whatever a parser makes of a damaged or hostile file
        reason = "not an image file" if isinstance(error, UnidentifiedImageError) else error or type(error).__name__
        raise ValueError(f"{path}: cannot be read as PNG, TIFF, BMP or JPEG ({reason})") from error


def _check_layout(image: Image.Image, *, stated: bool) -> None:
    """Refuse what would be read as something else than it shows."""
    if (frames := getattr(image, "n_frames", 1)) > 1:
        raise ValueError(f"it holds {frames} images; a source is one")
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]  # a TIFF image has them
        bits = set(np.atleast_1d(tags.get(258, 1)).tolist())
        if not (bits <= {1, 8, 16} or (stated and bits == {32})):
            raise ValueError(
                f"{max(bits)} bits a pixel, whose range is not stated; 8 or 16 are read, 32 with "
                "--window MODALITY=CENTER,WIDTH"
            )
        if bits == {16} and tags.get(262) == 0:
            # Pillow would hand it over inverted.
            raise ValueError("16 bits with white as zero; store it with black as zero")
        if bits == {8} and _is_signed(image) and (not stated or tags.get(262) == 0):
            raise ValueError(
                "signed numbers, whose range is not stated; they are read with --window "
                "MODALITY=CENTER,WIDTH, and with black as zero"
            )


def _is_signed(image: Image.Image) -> bool:
    """Say whether the numbers of a TIFF file are signed, which Pillow does not tell of 8 bits."""
    return image.format == "TIFF" and 2 in np.atleast_1d(image.tag_v2.get(339, 1))  # type: ignore[attr-defined]


def _pixels(image: Image.Image, *, stated: bool) -> np.ndarray:
    """Give uint8 (H, W), uint16 (H, W), uint8 (H, W, 3) or, where a window states their range, other numbers (H, W)."""
    _check_layout(image, stated=stated)
    image.load()
    ImageOps.exif_transpose(image, in_place=True)
    if "A" in image.getbands() or "transparency" in image.info:
        alpha = np.asarray(image.convert("RGBA"))[..., 3]
        if alpha.min() < 255:
            raise ValueError("it has transparent pixels, whose grey level depends on the background")
    match image.mode:
        case "L":
            return np.asarray(image).view(np.int8 if _is_signed(image) else np.uint8)
        case "1" | "LA":
            return np.asarray(image.convert("L"))
        case "P" | "RGB" | "RGBA" | "PA" | "YCbCr":
            return np.asarray(image.convert("RGB"))
        case "I;16" | "I;16B" | "I;16L" | "I;16N":
            return np.asarray(image).astype(np.uint16)
        case "I" if image.format == "PNG":
            # Pillow hands 16-bit PNG over in 32-bit integers.
            return np.asarray(image).astype(np.uint16)
        case "F" | "I" if stated:
            return np.asarray(image)
    raise ValueError(f"pixels of type {image.mode}, which have no stated range; 8 or 16 bit grey or colour is read")


def quantise(x: Tensor) -> Tensor:
    """Round an image in [0, 1] to 256 grey levels, uint8; half way to the even one."""
    return (255 * x.double()).round().clamp(0, 255).to(torch.uint8)


def png(image: Tensor) -> bytes:
    """Give an 8-bit image, grey (H, W) or colour (3, H, W), as a PNG file's bytes."""
    return _encoded(image, "PNG")


def from_png(content: bytes) -> Tensor:
    """Give the levels of a PNG file's bytes, (H, W) or (3, H, W), uint8: what `png` was given."""
    with Image.open(io.BytesIO(content)) as image:
        levels = torch.from_numpy(np.array(image))
    return levels if levels.ndim == 2 else levels.movedim(-1, 0)


def write_pixels(numbers: npt.NDArray[Any], path: Path) -> None:
    """Write numbers, (H, W) or (H, W, 3), of 8 or 16 bits, as PNG. Raises ValueError of any other type."""
    if numbers.dtype not in {np.dtype(np.uint8), np.dtype(np.uint16)}:
        raise ValueError(f"{path}: numbers of type {numbers.dtype} are not written as PNG")
    Image.fromarray(numbers).save(path)


def write(image: Tensor, path: Path) -> None:
    """Write an 8-bit image, grey (H, W) or colour (3, H, W), uint8, whole or not at all.

    Raises
    ------
    ValueError
        If the name's extension is not that of a lossless format; scores belong to the written pixels.
    """
    if path.suffix.lower() not in LOSSLESS:
        raise ValueError(f"{path}: images are written without loss; name it {', '.join(LOSSLESS)}")
    if path.exists() and not path.is_file():
        raise ValueError(f"{path}: is {'a folder' if path.is_dir() else 'no regular file'}; name a file to write")
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(_encoded(image, Image.registered_extensions()[path.suffix.lower()]))
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error


def _encoded(image: Tensor, kind: str) -> bytes:
    pixels = image.cpu() if image.ndim == 2 else image.cpu().movedim(0, -1)
    content = io.BytesIO()
    Image.fromarray(pixels.contiguous().numpy()).save(content, format=kind)
    return content.getvalue()
