"""What the network sees, for figure 6: features of both sources, of their blend and of the fused image."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from fusebench.datasets import image
from fusebench.datasets.pair import Pair
from fusebench.fusers.base import label
from fusebench.fusers.vgg16 import VGG16LBFGS
from fusebench.fusers.vgg16_network import Network

LAYERS = ("conv1_1", "conv2_1", "conv5_3")  # the paper's
CHANNELS = 16


def write(pair: Pair, out: Path) -> Path | None:
    """Write `features.npz` into the folder of a run that fused this pair at these layers; nothing if it did not.

    For each layer the 16 channels on which the target, the maximum of the sources' features, has the most energy, as
    arrays (16, h, w) under the keys LAYER/a, LAYER/b, LAYER/blend and LAYER/fused.
    """
    folder = out / "fused" / pair.dataset
    paths = {layer: folder / label(VGG16LBFGS(layer=layer)) / f"{pair.name}.png" for layer in LAYERS}
    if not all(path.is_file() for path in paths.values()):
        return None
    arrays: dict[str, npt.NDArray[np.float32]] = {}
    for layer, path in paths.items():
        images = {"a": pair.a, "b": pair.b, "blend": (pair.a + pair.b) / 2, "fused": image.read(path)[0]}
        network = Network(layer, pair.a)
        features = {name: network.features(255 * x[None])[0] for name, x in images.items()}
        energy = torch.maximum(features["a"], features["b"]).square().sum(dim=(1, 2))
        strongest = energy.argsort(descending=True)[:CHANNELS]
        arrays |= {f"{layer}/{name}": maps[strongest].numpy() for name, maps in features.items()}
    with (out / "features.npz").open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    return out / "features.npz"
