"""One image file: reading it to grey and chroma, writing it without loss."""

import os
import tempfile
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
    equal is grey. An opaque alpha channel is dropped. Colour at 16 bits a channel is read at 8.

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


def _pixels(image: Image.Image) -> np.ndarray:
    """Give uint8 (H, W), uint16 (H, W) or uint8 (H, W, 3)."""
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
    pixels = image.cpu().numpy()
    picture = Image.fromarray(pixels if pixels.ndim == 2 else np.moveaxis(pixels, 0, -1))
    with tempfile.NamedTemporaryFile(dir=path.parent, suffix=path.suffix, delete=False) as part:
        try:
            picture.save(part, format=Image.registered_extensions()[path.suffix.lower()])
        except BaseException:
            Path(part.name).unlink()
            raise
    Path(part.name).chmod(0o666 & ~_umask())
    Path(part.name).replace(path)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
