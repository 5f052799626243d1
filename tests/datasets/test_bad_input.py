"""Whatever is wrong: one line that names the file, exit code 2, no traceback, and nothing on disk has changed."""

import gzip
import os
import pickle
import re
import signal
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

import nibabel
import numpy as np
import onnx
import pytest
from fusebench.bench import cli
from fusebench.bench.engine import store
from fusebench.datasets import formats, phantom
from fusebench.fusers.neural import multifocus_weights, vgg16_weights
from PIL import Image
from pydicom.uid import DeflatedExplicitVRLittleEndian, RLELossless
from scipy.io import savemat

GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)
WIDE = (16 * np.arange(256, dtype=np.uint16)).reshape(16, 16)
CUBE = np.arange(16 * 16 * 4, dtype=np.int16).reshape(16, 16, 4)
TWO_FRAMES = np.stack([GREY, GREY])
CT_WINDOW, SLICE_WINDOWS = ["--window", "b=40,80"], ["--window", "a=40,80", "--window", "b=40,80"]


@dataclass(frozen=True)
class Lab:
    """A folder to spoil: good.png is a source, out.png an earlier result, data/ a folder of two good pairs."""

    root: Path
    dicom: Callable[..., Path]
    nifti: Callable[..., Path]

    def path(self, name: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def write(self, name: str, content: bytes) -> None:
        self.path(name).write_bytes(content)

    def image(self, name: str, pixels: np.ndarray = GREY, **options: Any) -> None:
        mode = options.pop("mode", None)
        picture = Image.fromarray(pixels)
        (picture.convert(mode) if mode else picture).save(self.path(name), **options)

    def link(self, name: str, target: str | Path) -> None:
        self.path(name).symlink_to(target)

    def volume(self, name: str, voxels: np.ndarray = CUBE, *patches: tuple[int, str, object], **fields: Any) -> None:
        path = self.nifti(self.path(name), voxels, **fields)
        content = bytearray(path.read_bytes())
        for offset, kind, values in patches:
            data = np.array(values, kind).tobytes()
            content[offset : offset + len(data)] = data
        path.write_bytes(content)

    def cut(self, name: str, keep: float) -> None:
        content = self.path(name).read_bytes()
        self.write(name, content[: int(keep * len(content))])


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(width: int, height: int, *chunks: bytes) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + chunk(b"IEND", b"")


class Mine:
    """What must never be unpickled: it would make a folder."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pwned",)


def external(lab: Lab) -> None:
    """Write an ONNX file whose weights lie in another file."""
    names = [
        f"functional_1/{layer.replace('conv', 'block').replace('_', '_conv')}_1/{part}"
        for layer in vgg16_weights.LAYERS
        for part in ("convolution/ReadVariableOp:0", "Squeeze:0")
    ]
    tensors = []
    for name in names:
        tensor = onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=[1])
        tensor.data_location = onnx.TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="good.png")
        tensors.append(tensor)
    onnx.save(onnx.helper.make_model(onnx.helper.make_graph([], "x", [], [], tensors)), lab.path("bad.onnx"))


def bomb(lab: Lab, name: str) -> None:
    """Write a gzip file that unpacks to a gigabyte, of which its header claims more than may be read."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((2048, 2048, 256))
    header["magic"], header["vox_offset"] = b"n+1", 352
    packer = zlib.compressobj(9, wbits=31)
    parts = [packer.compress(header.binaryblock + b"\0" * 4)]
    parts += [packer.compress(bytes(2**24)) for _ in range(4)]
    lab.write(name, b"".join([*parts, packer.flush()]))


def looped_tiff(lab: Lab, name: str) -> None:
    """Write a TIFF file whose directory says that the next is itself."""
    lab.image(name)
    content = bytearray(lab.path(name).read_bytes())
    (start,) = struct.unpack_from("<I", content, 4)
    (entries,) = struct.unpack_from("<H", content, start)
    struct.pack_into("<I", content, start + 2 + 12 * entries, start)
    lab.write(name, bytes(content[:-40]))


# A file that is given as the second source of `fuse`: its name, what makes it, further options.
FILES: dict[str, tuple[str, Callable[[Lab, str], object], list[str]]] = {
    "an empty file": ("bad.png", lambda lab, f: lab.write(f, b""), []),
    "text": ("bad.png", lambda lab, f: lab.write(f, b"not an image"), []),
    "a PNG cut short": ("bad.png", lambda lab, f: (lab.image(f), lab.cut(f, 0.6)), []),
    "a PNG without pixels": ("bad.png", lambda lab, f: lab.write(f, png(16, 16)), []),
    "a PNG whose pixels do not unpack": (
        "bad.png",
        lambda lab, f: lab.write(f, png(16, 16, chunk(b"IDAT", b"xx"))),
        [],
    ),
    "a PNG of no width": ("bad.png", lambda lab, f: lab.write(f, png(0, 16)), []),
    "a PNG bomb": (
        "bad.png",
        lambda lab, f: lab.write(f, png(50000, 50000, chunk(b"IDAT", zlib.compress(bytes(10**6))))),
        [],
    ),
    "a PNG whose text unpacks to gigabytes": (
        "bad.png",
        lambda lab, f: lab.write(f, png(16, 16, *[chunk(b"zTXt", b"k\0\0" + zlib.compress(bytes(10**6)))] * 70)),
        [],
    ),
    "a line of pixels": ("bad.png", lambda lab, f: lab.image(f, GREY[:1]), []),
    "transparent pixels": ("bad.png", lambda lab, f: lab.image(f, np.zeros((16, 16, 4), np.uint8)), []),
    "another size": ("bad.png", lambda lab, f: lab.image(f, GREY[:15]), []),
    "a GIF called PNG": ("bad.png", lambda lab, f: lab.image(f, format="GIF"), []),
    "PostScript called PNG": ("bad.png", lambda lab, f: lab.image(f, format="EPS"), []),
    "a TIFF of real numbers": ("bad.tif", lambda lab, f: lab.image(f, GREY.astype(np.float32)), []),
    "a TIFF of real numbers, some NaN": ("bad.tif", lambda lab, f: lab.image(f, GREY * np.float32("nan")), CT_WINDOW),
    "a TIFF of 32-bit integers": ("bad.tif", lambda lab, f: lab.image(f, GREY.astype(np.int32)), []),
    "a TIFF of two pages": (
        "bad.tif",
        lambda lab, f: lab.image(f, save_all=True, append_images=[Image.fromarray(GREY)]),
        [],
    ),
    "a 16-bit TIFF with white as zero": ("bad.tif", lambda lab, f: lab.image(f, WIDE, tiffinfo={262: 0}), []),
    "a TIFF cut short": ("bad.tif", lambda lab, f: (lab.image(f, compression="tiff_lzw"), lab.cut(f, 0.5)), []),
    "a TIFF that leads to itself": ("bad.tif", looped_tiff, []),
    "a BMP cut short": ("bad.bmp", lambda lab, f: (lab.image(f), lab.cut(f, 0.9)), []),
    "a BMP of absurd size": (
        "bad.bmp",
        lambda lab, f: lab.write(
            f, b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 2**30, 2**30, 1, 8, *[0] * 6)
        ),
        [],
    ),
    "a JPEG cut short": ("bad.jpg", lambda lab, f: (lab.image(f), lab.cut(f, 0.5)), []),
    "a JPEG for print": ("bad.jpg", lambda lab, f: lab.image(f, np.zeros((16, 16, 3), np.uint8), mode="CMYK"), []),
    "no DICOM": ("bad.dcm", lambda lab, f: lab.write(f, b"\0" * 200), []),
    "a DICOM that is a GIF": ("bad.dcm", lambda lab, f: lab.image(f, format="GIF"), []),
    "a DICOM cut short": ("bad.dcm", lambda lab, f: (lab.dicom(lab.path(f), GREY), lab.cut(f, 0.8)), []),
    "a DICOM cut in its header": ("bad.dcm", lambda lab, f: (lab.dicom(lab.path(f), GREY), lab.cut(f, 0.3)), []),
    "a DICOM of absurd size": ("bad.dcm", lambda lab, f: lab.dicom(lab.path(f), GREY, Rows=65535, Columns=65535), []),
    "a DICOM of more pixels than bytes": ("bad.dcm", lambda lab, f: lab.dicom(lab.path(f), GREY, Rows=512), []),
    "a DICOM of a billion frames": ("bad.dcm", lambda lab, f: lab.dicom(lab.path(f), GREY, NumberOfFrames=10**9), []),
    "a DICOM of no rows": ("bad.dcm", lambda lab, f: lab.dicom(lab.path(f), GREY, Rows=0), []),
    "a DICOM of 12 bits without a window": ("bad.dcm", lambda lab, f: lab.dicom(lab.path(f), WIDE, BitsStored=12), []),
    "a DICOM without pixels": (
        "bad.dcm",
        lambda lab, f: lab.write(f, lab.dicom(lab.path(f), GREY).read_bytes().split(b"\xe0\x7f\x10\0")[0]),
        [],
    ),
    "a DICOM whose window has no width": (
        "bad.dcm",
        lambda lab, f: lab.dicom(lab.path(f), GREY, WindowCenter=40, WindowWidth=0),
        [],
    ),
    "a DICOM whose window is seen through nothing known": (
        "bad.dcm",
        lambda lab, f: lab.dicom(lab.path(f), GREY, WindowCenter=40, WindowWidth=80, VOILUTFunction="CUBIC"),
        [],
    ),
    "a DICOM of unknown colour": (
        "bad.dcm",
        lambda lab, f: lab.dicom(lab.path(f), GREY, PhotometricInterpretation="PLAID"),
        [],
    ),
    "a DICOM with a palette that is not there": (
        "bad.dcm",
        lambda lab, f: lab.dicom(lab.path(f), GREY, PhotometricInterpretation="PALETTE COLOR"),
        [],
    ),
    "a DICOM of 3 bits a pixel": ("bad.dcm", lambda lab, f: lab.dicom(lab.path(f), GREY, BitsAllocated=3), []),
    "a DICOM of damaged runs": (
        "bad.dcm",
        lambda lab, f: lab.write(
            f, lab.dicom(lab.path(f), GREY, syntax=RLELossless).read_bytes()[:-200] + b"\xff" * 200
        ),
        [],
    ),
    "a deflated DICOM": (
        "bad.dcm",
        lambda lab, f: lab.dicom(lab.path(f), GREY, syntax=DeflatedExplicitVRLittleEndian),
        [],
    ),
    "a DICOM compressed by nobody knows what": (
        "bad.dcm",
        lambda lab, f: lab.write(
            f, lab.dicom(lab.path(f), GREY).read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2.9\0")
        ),
        [],
    ),
    "a DICOM of frames, none named": ("bad.dcm", lambda lab, f: lab.dicom(lab.path(f), TWO_FRAMES), []),
    "a frame that is not there": ("bad.dcm#3", lambda lab, f: lab.dicom(lab.path(f[:-2]), TWO_FRAMES), []),
    "a coloured DICOM through a window": (
        "bad.dcm",
        lambda lab, f: lab.dicom(lab.path(f), np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)),
        CT_WINDOW,
    ),
    "a coloured PNG through a window": (
        "bad.png",
        lambda lab, f: lab.image(f, np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)),
        CT_WINDOW,
    ),
    "a PNG through a window of its own": ("bad.png", lambda lab, f: lab.image(f), ["--window", "b=auto"]),
    "a volume beside an image": ("bad.nii#0", lambda lab, f: lab.volume(f[:-2]), []),
    "colours that are not of the table": (
        "bad.png",
        lambda lab, f: lab.image(f, np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)),
        ["--pseudo-colour", "hot"],
    ),
    "a file that is not there": ("bad.png", lambda *_: None, []),
    "a folder": ("bad.png", lambda lab, f: lab.path(f).mkdir(), []),
    "a pipe": ("bad.png", lambda lab, f: os.mkfifo(lab.path(f)), []),
    "a pipe called DICOM": ("bad.dcm", lambda lab, f: os.mkfifo(lab.path(f)), []),
    "a device": ("bad.png", lambda lab, f: lab.link(f, "/dev/zero"), []),
    "a link to nothing": ("bad.png", lambda lab, f: lab.link(f, "gone.png"), []),
    "a link to itself": ("bad.png", lambda lab, f: lab.link(f, f), []),
    "a name too long for a file": ("b" * 300 + ".png", lambda *_: None, []),
    "a name that speaks to the terminal": ("bad\x1b[31m\n.png", lambda *_: None, []),
}

# Of two volumes; the second is spoilt.
VOLUMES: dict[str, tuple[str, Callable[[Lab, str], object], list[str]]] = {
    "no NIfTI": ("bad.nii", lambda lab, f: lab.write(f, b"no volume" * 99), []),
    "an empty volume": ("bad.nii.gz", lambda lab, f: lab.write(f, b""), []),
    "gzip of something else": ("bad.nii.gz", lambda lab, f: lab.write(f, gzip.compress(b"no volume" * 99)), []),
    "a volume cut short": ("bad.nii", lambda lab, f: (lab.volume(f), lab.cut(f, 0.8)), []),
    "a packed volume cut short": ("bad.nii.gz", lambda lab, f: (lab.nifti(lab.path(f), CUBE), lab.cut(f, 0.7)), []),
    "a volume in time": ("bad.nii", lambda lab, f: lab.nifti(lab.path(f), np.zeros((4, 4, 4, 3), np.int16)), []),
    "a plane": ("bad.nii", lambda lab, f: lab.nifti(lab.path(f), np.zeros((4, 4), np.int16)), []),
    "complex numbers": ("bad.nii", lambda lab, f: lab.nifti(lab.path(f), np.zeros((4, 4, 4), np.complex64)), []),
    "voxels of no known type": ("bad.nii", lambda lab, f: lab.volume(f, CUBE, (70, "<i2", 77)), []),
    "more voxels than memory": ("bad.nii", lambda lab, f: lab.volume(f, CUBE, (40, "<i2", (3, *[30000] * 3))), []),
    "more voxels than bytes": ("bad.nii", lambda lab, f: lab.volume(f, CUBE, (40, "<i2", (3, *[400] * 3))), []),
    "a gzip bomb": ("bad.nii.gz", bomb, []),
    "NaN voxels": ("bad.nii", lambda lab, f: lab.nifti(lab.path(f), CUBE * np.float32("nan")), []),
    "a place nowhere": (
        "bad.nii",
        lambda lab, f: lab.volume(f, CUBE, (252, "<i2", (0, 1)), (280, "<f4", [0] * 12)),
        [],
    ),
    "voxels behind the file's end": ("bad.nii", lambda lab, f: lab.volume(f, CUBE, (108, "<f4", 1e9)), []),
    "a packed header without end": (
        "bad.nii.gz",
        lambda lab, f: (
            lab.volume("x.nii", CUBE, (108, "<f4", 2e9), (348, "<i4", (1, 2**31 - 16, 6))),
            lab.write(f, gzip.compress(lab.path("x.nii").read_bytes() + bytes(2**24))),
        ),
        [],
    ),
    "a pipe called NIfTI": ("bad.nii", lambda lab, f: os.mkfifo(lab.path(f)), []),
    "a volume that is a folder": ("bad.nii", lambda lab, f: lab.path(f).mkdir(), []),
}

# A folder given to `bench --data`: what spoils it, what is named.
FOLDERS: dict[str, tuple[Callable[[Lab], object], str]] = {
    "a file without partner": (lambda lab: lab.image("data/CT-MRI/CT/3.png"), "CT/3.png"),
    "two files of one name": (lambda lab: lab.image("data/CT-MRI/CT/1.tif"), "CT/1.tif"),
    "a third modality": (lambda lab: lab.image("data/CT-MRI/PET/1.png"), "data/CT-MRI: holds 3"),
    "one modality": (lambda lab: lab.image("data/X-Y/X/1.png"), "data/X-Y: holds 1"),
    "an empty modality": (
        lambda lab: (lab.image("data/X-Y/X/1.png"), lab.path("data/X-Y/Y/1")),
        "data/X-Y/Y: no images",
    ),
    "no format that is read": (lambda lab: (lab.image("data/X-Y/X/1.png"), lab.write("data/X-Y/Y/1.raw", b"")), ".raw"),
    "a name that cannot be printed": (lambda lab: lab.image("data/CT-MRI/CT/a\nb.png"), "'a\\nb.png'"),
    "a name that turns the line round": (lambda lab: lab.image("data/CT-MRI/CT/a\u202eb.png"), "u202eb.png'"),
    "a name too long for results": (
        lambda lab: [lab.image(f"data/CT-MRI/{m}/{'n' * 220}.png") for m in ("CT", "MRI")],
        "n" * 220,
    ),
    "a kind that cannot be printed": (
        lambda lab: [lab.image(f"data/C\tM/{m}/1.png") for m in ("CT", "MRI")],
        "'C\\tM'",
    ),
    "a file linked from outside": (lambda lab: lab.link("data/CT-MRI/CT/3.png", lab.root / "good.png"), "CT/3.png"),
    "a modality linked from outside": (
        lambda lab: (lab.image("else/1.png"), lab.image("data/X-Y/X/1.png"), lab.link("data/X-Y/Y", lab.root / "else")),
        "data/X-Y/Y: a link that leads out",
    ),
    "a kind linked from outside": (
        lambda lab: (lab.path("else/1"), lab.link("data/X-Y", lab.root / "else")),
        "data/X-Y: a link that leads out",
    ),
    "a link to the root": (lambda lab: lab.link("data/CT-MRI/CT/3.png", "/etc/passwd"), "CT/3.png"),
    "a link that goes round": (lambda lab: lab.link("data/CT-MRI/CT/3.png", "3.png"), "CT/3.png"),
    "a folder inside itself": (lambda lab: lab.link("data/CT-MRI/up", ".."), "data/CT-MRI: holds 3"),
    "a pipe among the images": (lambda lab: os.mkfifo(lab.path("data/CT-MRI/CT/3.png")), "CT/3.png"),
    "frames that do not match": (
        lambda lab: (
            lab.dicom(lab.path("data/CT-MRI/CT/3.dcm"), TWO_FRAMES),
            lab.dicom(lab.path("data/CT-MRI/MRI/3.dcm"), GREY),
        ),
        "CT/3.dcm: 2 frames",
    ),
    "a volume that pairs with an image": (
        lambda lab: (lab.nifti(lab.path("data/CT-MRI/CT/3.nii"), CUBE), lab.image("data/CT-MRI/MRI/3.png")),
        "MRI/3.png: no volume",
    ),
    "a damaged header": (
        lambda lab: (lab.write("data/CT-MRI/CT/3.dcm", b"DICM"), lab.image("data/CT-MRI/MRI/3.png")),
        "CT/3.dcm",
    ),
    "a damaged image": (lambda lab: lab.cut("data/CT-MRI/MRI/2.png", 0.7), "MRI/2.png"),
    "kinds in a kind": (lambda lab: [lab.image(f"data/CT-MRI/CT/{m}/1.png") for m in "XY"], "data"),
    "no folder": (lambda lab: lab.path("data").rename(lab.path("moved")), "data: no such folder"),
}

# Whatever else can be said to the command line: what prepares it, the arguments, what is named.
OPTIONS: dict[str, tuple[Callable[[Lab], object], list[str], str]] = {
    "a window of nothing": (lambda _: None, ["--window", "40,80"], "--window 40,80"),
    "a window of no width": (lambda _: None, ["--window", "b=40,0"], "--window b=40,0"),
    "a window without end": (lambda _: None, ["--window", "b=0,inf"], "--window b=0,inf"),
    "a window of words": (lambda _: None, ["--window", "b=wide,open"], "--window b=wide,open"),
    "two windows at once": (lambda _: None, ["--window", "b=1,2", "--window", "b=3,4"], "--window b=3,4"),
    "a window for neither source": (lambda _: None, ["--window", "CT=40,80"], "--window CT: the files are called a"),
    "an unknown axis": (lambda _: None, ["--axis", "oblique"], "'oblique'; known: sagittal"),
    "an unknown interpolation": (lambda _: None, ["--interpolation", "magic"], "'magic'; known: nearest"),
    "an unknown colour table": (lambda _: None, ["--pseudo-colour", "warm"], "'warm'; known: atlas-pet"),
    "a colour table that goes in circles": (lambda _: None, ["--pseudo-colour", "twilight"], "twilight cannot be"),
    "weights that are no file": (lambda lab: os.mkfifo(lab.path("bad.onnx")), ["--vgg16", "bad.onnx"], "bad.onnx"),
    "weights that run code": (
        lambda lab: lab.write("bad.pth", pickle.dumps(Mine())),
        ["--vgg16", "bad.pth"],
        "bad.pth: not the VGG16 weights",
    ),
    "weights as pickled arrays": (
        lambda lab: np.save(lab.path("bad.npy"), np.array([Mine()]), allow_pickle=True),
        ["--vgg16", "bad.npy"],
        "bad.npy: not the VGG16 weights",
    ),
    "weights that lie elsewhere": (
        external,
        ["--vgg16", "bad.onnx"],
        "bad.onnx: not the VGG16 weights (it keeps weights",
    ),
    "weights that are no model": (lambda lab: lab.write("bad.onnx", b"\xff" * 99), ["--vgg16", "bad.onnx"], "bad.onnx"),
    "weights of an absurd header": (
        lambda lab: lab.write("bad.safetensors", struct.pack("<Q", 2**62) + b"{}"),
        ["--vgg16", "bad.safetensors"],
        "bad.safetensors",
    ),
    "weights that claim more than they hold": (
        lambda lab: lab.write(
            "bad.safetensors",
            struct.pack("<Q", 75) + b'{"conv1_1.weight":{"dtype":"F32","shape":[99999],"data_offsets":[0,399996]}}',
        ),
        ["--vgg16", "bad.safetensors"],
        "bad.safetensors",
    ),
    "a network of objects": (
        lambda lab: savemat(lab.path("bad.mat"), {"weights_output": np.array([[1, "x"]], dtype=object)}),
        ["--weights", "bad.mat"],
        "bad.mat: not the published network (weights_output is cell",
    ),
    "a network that is too large": (
        lambda lab: savemat(lab.path("bad.mat"), {"weights_output": np.zeros((4000, 3000))}, do_compression=True),
        ["--weights", "bad.mat"],
        "bad.mat: not the published network (weights_output is double of shape (4000, 3000)",
    ),
    "a network cut short": (
        lambda lab: (savemat(lab.path("bad.mat"), {"weights_output": np.zeros(99)}), lab.cut("bad.mat", 0.5)),
        ["--weights", "bad.mat"],
        "bad.mat",
    ),
    "a result over a source": (lambda _: None, ["-o", "good.png"], "good.png: is a source"),
    "a result over a folder": (lambda lab: lab.path("d.png").mkdir(), ["-o", "d.png"], "d.png: is a folder"),
    "a result over a pipe": (lambda lab: os.mkfifo(lab.path("p.png")), ["-o", "p.png"], "p.png: is no regular file"),
    "a result in no folder": (lambda _: None, ["-o", "../gone/x.png"], "../gone"),
    "a result with loss": (lambda _: None, ["-o", "x.jpg"], "x.jpg"),
    "a fuser that is a path": (lambda _: None, ["-m", "../../x"], "'../../x'"),
}

# And to other commands.
COMMANDS: dict[str, tuple[Callable[[Lab], object], list[str], str]] = {
    "a record that is a pipe": (lambda lab: os.mkfifo(lab.path("r.csv")), ["check", "--record", "r.csv"], "r.csv"),
    "a record of bytes": (lambda lab: lab.write("r.csv", bytes(range(256))), ["check", "--record", "r.csv"], "r.csv"),
    "a fusion of another size": (
        lambda lab: lab.image("bad.png", GREY[:15]),
        ["score", "good.png", "good.png", "bad.png"],
        "bad.png: 15 x 16",
    ),
    "a fusion that is no image": (
        lambda lab: lab.write("bad.png", b"x"),
        ["explain", "good.png", "good.png", "bad.png", "--metric", "SF", "--value", "1"],
        "bad.png",
    ),
    "a folder to check that is none": (lambda _: None, ["data", "check", "good.png"], "good.png: no such folder"),
    "a window for what is not there": (
        lambda _: None,
        ["bench", "--data", "data", "--window", "PET=1,2"],
        "--window PET: no such modality",
    ),
    "a window for what has no files": (lambda _: None, ["bench", "--window", "CT=1,2"], "phantom: is no folder"),
    "a window for the record": (lambda _: None, ["bench", "smoke", "--axis", "coronal"], "the suite smoke"),
    "results of others in no folder": (lambda _: None, ["score-dir", "gone", "--data", "data"], "gone: no such folder"),
    "results of others that are none": (
        lambda lab: lab.path("theirs").mkdir(),
        ["score-dir", "theirs", "--data", "data"],
        "theirs: no results; expected METHOD/NAME.png",
    ),
    "a window for the results of others": (
        lambda lab: lab.image("theirs/m/1.png"),
        ["score-dir", "theirs", "--data", "data", "--window", "PET=1,2"],
        "--window PET: no such modality",
    ),
    "a suite of nowhere": (lambda _: None, ["bench", "--suite", "gone:SUITE"], "gone:SUITE: cannot be imported"),
    "a suite that is none": (lambda _: None, ["bench", "--suite", "math:pi"], "math:pi: not a suite"),
    "a fuser that is none": (lambda _: None, ["test-fuser", "math:pi"], "math:pi"),
    "a cluster of nowhere": (lambda _: None, ["bench", "--scheduler", "nonsense://x"], "nonsense://x"),
    "no time at all": (lambda _: None, ["bench", "--timeout", "0"], "--timeout"),
    "no worker at all": (lambda _: None, ["bench", "--jobs", "0"], "--jobs"),
    "results over a file": (lambda _: None, ["bench", "--data", "data", "--out", "good.png"], "good.png: is a file"),
}


@pytest.fixture
def lab(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_dicom: Callable[..., Path], write_nifti: Callable[..., Path]
) -> Iterator[Lab]:
    """Give the folder as the working directory, and an end to whatever waits."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv(vgg16_weights.VARIABLE, "")
    monkeypatch.setenv(multifocus_weights.VARIABLE, "")
    lab = Lab(tmp_path, write_dicom, write_nifti)
    lab.image("good.png")
    lab.image("out.png", GREY.T)
    for place in ("CT/1", "CT/2", "MRI/1", "MRI/2"):
        lab.image(f"data/CT-MRI/{place}.png")

    def stop(signal: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"{signal} {frame}")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(60)
    yield lab
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def contents(root: Path) -> dict[str, bytes | None]:
    """Give everything under a folder, and what is in it."""
    regular = (path.is_file() and not path.is_symlink() for path in root.rglob("*"))
    return {str(p): p.read_bytes() if is_file else None for p, is_file in zip(root.rglob("*"), regular, strict=True)}


CASES: dict[str, Callable[[Lab], tuple[list[str], str]]] = {}


def _add() -> None:
    fuse = ["-m", "average", "-o", "out.png"]

    def file(name: str, spoil: Callable[[Lab, str], object], options: list[str]) -> Callable[[Lab], Any]:
        named = "bad\\x1b[31m .png" if "\x1b" in name else name.split("#", maxsplit=1)[0]
        return lambda lab: (spoil(lab, name), (["fuse", "good.png", name, *fuse, *options], named))[1]

    def volume(name: str, spoil: Callable[[Lab, str], object], options: list[str]) -> Callable[[Lab], Any]:
        arguments = ["fuse", "good.nii#1", name, *fuse, *SLICE_WINDOWS, *options]
        return lambda lab: (lab.volume("good.nii"), spoil(lab, name), (arguments, name))[2]

    def folder(spoil: Callable[[Lab], object], named: str) -> Callable[[Lab], Any]:
        return lambda lab: (spoil(lab), (["bench", "--data", "data", "--out", "results"], named))[1]

    def command(prepare: Callable[[Lab], object], arguments: list[str], named: str) -> Callable[[Lab], Any]:
        return lambda lab: (prepare(lab), (arguments, named))[1]

    def option(prepare: Callable[[Lab], object], options: list[str], named: str) -> Callable[[Lab], Any]:
        method = "vgg16" if "--vgg16" in options else "cnn" if "--weights" in options else "average"
        arguments = ["fuse", "good.png", "good.png", "-m", method, "-o", "out.png", *options]
        return lambda lab: (prepare(lab), (arguments, named))[1]

    for kind, table in ((file, FILES), (volume, VOLUMES), (folder, FOLDERS), (option, OPTIONS), (command, COMMANDS)):
        CASES.update({name: kind(*row) for name, row in table.items()})


_add()


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_one_line_that_names_it(
    lab: Lab, case: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, named = CASES[case](lab)
    before = contents(lab.root)
    monkeypatch.setattr(sys, "argv", ["fusebench", *arguments])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (2, ""), err
    # Before the work `bench` says which pairs there are; that is no error.
    err = re.sub(r"^fusebench: CT-\w+: \d+ pairs?, .*\n", "", err, flags=re.MULTILINE)
    assert err.count("\n") == 1, err
    assert " ".join(named.split()) in err
    assert "fault of the program" not in err
    assert "\x1b" not in err
    # A run's folder and its lock may be there, and nothing else.
    new = {str(lab.root / "results"), str(lab.root / "results" / store.LOCK)}
    assert {name: content for name, content in contents(lab.root).items() if name not in new} == before


def test_there_are_many_kinds_of_it() -> None:
    assert len(CASES) == len(FILES) + len(VOLUMES) + len(FOLDERS) + len(OPTIONS) + len(COMMANDS) >= 60


@pytest.mark.parametrize(("name", "extra"), [("x.dcm", "dicom"), ("x.nii.gz", "nifti"), ("series", "dicom")])
def test_what_reads_a_file_and_is_not_installed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, extra: str
) -> None:
    monkeypatch.setattr(formats, "find_spec", lambda _: None)
    path = tmp_path / name
    path.mkdir() if name == "series" else path.write_bytes(b"")
    with pytest.raises(ValueError, match=rf"{name}: is read by .*fusebench\[{extra}\]"):
        formats.of(path)
    assert formats.of(tmp_path / "x.png").needs is None


def test_the_embedded_head_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nilearn", None)
    with pytest.raises(ValueError, match=r"nilearn brings, .*fusebench\[phantom\]"):
        phantom._volume("t1")
