"""One image file: reading it to grey and chroma, writing it without loss."""

import io
import warnings
from pathlib import Path

import numpy as np
import torch
from fusebench.datasets import colour
from PIL import Image, UnidentifiedImageError
from torch import Tensor

EXTENSIONS = (".png", ".tif", ".tiff", ".bmp", ".jpg", ".jpeg")
LOSSLESS = (".png", ".tif", ".tiff", ".bmp")


def read(path: Path) -> tuple[Tensor, Tensor | None]:
    """Read an image file as grey and, where it is coloured, chroma.

    The scale follows the file's bit depth, never its contents: 8 bits are divided by 255, 16 bits by 65535.
    Palette and RGB images become luma and chroma (`colour.split`); a colour image whose three channels are
    equal is grey. An opaque alpha channel is dropped. Colour, and grey with alpha, at 16 bits is read at 8. Other
    depths, and files of several images, are refused.

    Returns
    -------
    grey, chroma
        Shape (H, W), float32, in [0, 1]; and (2, H, W) in [-0.5, 0.5], or None.

    Raises
    ------
    ValueError
        If the file is no image, is damaged, or has a type with no stated range; the message names the file.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of metadata that Pillow can do without
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                image.load()
                pixels = _pixels(image)
    except FileNotFoundError:
        raise ValueError(f"{path}: no such file") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        # Pillow's parsers let SyntaxError and ValueError escape on damaged headers.
        reason = "not an image file" if isinstance(error, UnidentifiedImageError) else error
        raise ValueError(f"{path}: cannot be read as PNG, TIFF, BMP or JPEG ({reason})") from error
    if pixels.ndim == 2:
        scale = 255 if pixels.dtype == np.uint8 else 65535
        return torch.from_numpy((pixels / scale).astype(np.float32)), None
    if (pixels == pixels[..., :1]).all():
        return torch.from_numpy((pixels[..., 0] / 255).astype(np.float32)), None
    return colour.split(pixels)


def _check_layout(image: Image.Image) -> None:
    """Refuse what would be read as something else than it shows."""
    if (frames := getattr(image, "n_frames", 1)) > 1:
        raise ValueError(f"it holds {frames} images; a source is one")
    if image.format == "TIFF":
        tags = image.tag_v2  # type: ignore[attr-defined]  # a TIFF image has them
        bits = set(np.atleast_1d(tags.get(258, 1)).tolist())
        if not bits <= {1, 8, 16}:
            raise ValueError(f"{max(bits)} bits a pixel, whose range is not stated; 8 or 16 are read")
        if bits == {16} and tags.get(262) == 0:
            # Pillow would hand it over inverted.
            raise ValueError("16 bits with white as zero; store it with black as zero")


def _pixels(image: Image.Image) -> np.ndarray:
    """Give uint8 (H, W), uint16 (H, W) or uint8 (H, W, 3)."""
    _check_layout(image)
    if "A" in image.getbands() or "transparency" in image.info:
        alpha = np.asarray(image.convert("RGBA"))[..., 3]
        if alpha.min() < 255:
            raise ValueError("it has transparent pixels, whose grey level depends on the background")
    match image.mode:
        case "L":
            return np.asarray(image)
        case "1" | "LA":
            return np.asarray(image.convert("L"))
        case "P" | "RGB" | "RGBA" | "PA" | "YCbCr":
            return np.asarray(image.convert("RGB"))
        case "I;16" | "I;16B" | "I;16L" | "I;16N":
            return np.asarray(image).astype(np.uint16)
        case "I" if image.format == "PNG":
            # Pillow hands 16-bit PNG over in 32-bit integers.
            return np.asarray(image).astype(np.uint16)
    raise ValueError(f"pixels of type {image.mode}, which have no stated range; 8 or 16 bit grey or colour is read")


def write(image: Tensor, path: Path) -> None:
    """Write an 8-bit image, grey (H, W) or colour (3, H, W), uint8, whole or not at all.

    Raises
    ------
    ValueError
        If the name's extension is not that of a lossless format; scores belong to the written pixels.
    """
    if path.suffix.lower() not in LOSSLESS:
        raise ValueError(f"{path}: images are written without loss; name it {', '.join(LOSSLESS)}")
    if path.is_dir():
        raise ValueError(f"{path}: is a folder; name a file to write")
    pixels = image.cpu().numpy()
    content = io.BytesIO()
    picture = Image.fromarray(pixels if pixels.ndim == 2 else np.moveaxis(pixels, 0, -1))
    picture.save(content, format=Image.registered_extensions()[path.suffix.lower()])
    part = path.with_name(f"{path.name}.part")
    try:
        part.write_bytes(content.getvalue())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OSError(error.errno, error.strerror, str(path)) from error
