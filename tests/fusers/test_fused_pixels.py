"""The written pixels under every instruction set and number of threads that can be forced: equal, or as ADR 3 says.

Run as a script this prints ADR 3's table, of the fusers whose pixels are not equal.
"""

import json
from collections.abc import Iterable

import numpy as np
import pytest
from fusebench.bench.external import part
from fusebench.bench.gate.record import smoke
from fusebench.fusers.base import Fuser, label
from fusebench.fusers.catalogue import CLASSICAL
from fusebench.fusers.neural.multifocus import MultiFocusCNN
from fusebench.fusers.neural.pixel_cnn import PixelCNN
from fusebench.fusers.neural.support_value_cnn import SupportValueCNN
from fusebench.fusers.neural.vgg16 import VGG16LBFGS
from fusebench.fusers.neural.vgg16_weights import LAYERS
from processor_paths import PATHS, run

CODE = """
import json
from fusebench.datasets.image import quantise
from fusebench.datasets import phantom
from fusebench.fusers.base import parse
from fusebench.fusers.catalogue import FUSERS

fused = {{}}
for kind in {kinds}:
    pair = phantom.pair(kind, 20, {size})
    for label in {labels}:
        fused[f"{{label}}, {{kind}}"] = quantise(parse(label, FUSERS)(pair.a[None], pair.b[None])[0]).tolist()
print(json.dumps(fused))
"""
KINDS = ("CT-MRI", "CT-PET", "SPECT-MRI", "PET-MRI")
SIMPLE: tuple[Fuser, ...] = tuple(cls() for cls in (*CLASSICAL, MultiFocusCNN, PixelCNN, SupportValueCNN))
MEDICAL = MultiFocusCNN(variant="medical")
# As in the suite smoke, on the pair it takes: by the protocol, then bounded.
RECORDED = part(smoke()["smoke-layers"].fusers)[0]
# Ten seconds each, and made of what others are made of.
LONG = {"nsst-msmg-pcnn", "nsct-sr", "nsst-sr", "sr"}


def moved(
    fusers: Iterable[Fuser], kinds: Iterable[str], size: int, paths: Iterable[str] = tuple(PATHS)
) -> dict[str, tuple[int, int]]:
    """By label and kind: most pixels that differ from those of the first path, most levels by which one differs."""
    code = CODE.format(kinds=list(kinds), size=size, labels=[label(fuser) for fuser in fusers])
    first, *others = (
        {name: np.array(pixels) for name, pixels in json.loads(run(code, PATHS[path])).items()} for path in paths
    )
    differences = {name: np.abs([other[name] - pixels for other in others]) for name, pixels in first.items()}
    return {name: (int((d > 0).sum((1, 2)).max()), int(d.max())) for name, d in differences.items()}


def test_an_old_processor_writes_the_same_pixels() -> None:
    short = [fuser for fuser in SIMPLE if fuser.name not in LONG]
    found = moved([*short, RECORDED[2], RECORDED[len(LAYERS) + 2]], ["CT-MRI"], 64, ["one thread", "oldest"])
    assert len(found) == len(short) + 2
    assert set(found.values()) == {(0, 0)}


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 256])
def test_every_path_writes_the_same_pixels(size: int) -> None:
    found = moved(SIMPLE, KINDS, size)
    assert {name: by for name, by in found.items() if by != (0, 0)} == {}


@pytest.mark.slow
def test_every_path_writes_the_same_pixels_of_the_recorded_layers() -> None:
    found = moved(RECORDED, ["CT-MRI"], 64)
    assert {name: by for name, by in found.items() if by != (0, 0)} == {}


@pytest.mark.slow
@pytest.mark.parametrize("size", [64, 256])
def test_the_medical_network_moves_single_pixels_by_a_level(size: int) -> None:
    # Its weights are float32 and no threshold swallows their last digits: a pixel half way between two levels may move.
    for pixels, levels in moved([MEDICAL], KINDS, size).values():
        assert pixels <= 10
        assert levels <= 1


@pytest.mark.slow
def test_the_whole_protocol_in_float64_writes_the_same_pixels_at_the_first_layers() -> None:
    fusers = [VGG16LBFGS(layer=layer, precision="float64", solver="protocol") for layer in ("conv1_1", "conv1_2")]
    assert set(moved(fusers, ["CT-MRI"], 64).values()) == {(0, 0)}


if __name__ == "__main__":
    protocol = [
        VGG16LBFGS(layer=layer, precision=precision, solver="protocol")
        for precision in ("float32", "float64")
        for layer in ("conv1_1", "conv1_2", "conv2_1", "conv3_1", "conv4_1", "conv5_1")
    ]
    print("| | pixels | levels |\n|:--|--:|--:|")  # noqa: T201  a script prints
    for kinds, size, fusers in (
        (KINDS, 64, [*SIMPLE, MEDICAL]),
        (KINDS, 256, [*SIMPLE, MEDICAL]),
        (KINDS, 64, RECORDED),
        (["CT-MRI"], 64, protocol),
    ):
        for name, (pixels, levels) in moved(fusers, kinds, size).items():
            print(f"| {name}, {size} x {size} | {pixels / size**2:.2%} | {levels} |")  # noqa: T201
