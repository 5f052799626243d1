"""Training of the networks that judge focus: `make train-multifocus`, or one of them with `ONLY=p-cnn`.

`cnn` is the light model of Liu et al. 2017, `p-cnn` the pixel-wise one of Tang et al. 2018, `dsvcnn` the support value
network of Du et al. 2019. All learn from crops of photographs, sharp against out of focus at several strengths. Both
sources of `cnn` have the same gain, gamma and sensor noise, as in its paper, whose weights it is to come close to; of
the two others each source has its own. Where the authors of the first and the third took single 16 x 16 patches, crops
of 32 x 32 are used: all their 81 windows are scored in one pass; and for the second crops of 60 x 60 with 8 x 8
patches. One seed decides everything; the last bits of the weights differ between processors.
"""

import hashlib
import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from fusebench.datasets import photographs
from fusebench.fusers.neural import multifocus, multifocus_weights, pixel_cnn, support_value_cnn
from safetensors.torch import save
from torch import Tensor

SEED = 2017
CROPS = 24
RATE, DECAY = 1e-3, 5e-4
NOISE, NOISE_OF_EACH = 0.01, 0.04  # largest standard deviation of the sensor noise: one for both sources, or for each
SEEN = 1 / 255  # mean difference of sharp and blurred below which there is nothing to tell by
RISK = 1e-3  # the weight of the squared norm in structural risk
NEAR = 9  # side of the square around a pixel in which p-cnn's classes are told

Tensors = dict[str, Tensor]


class Crops(NamedTuple):
    """Crops (n, side, side) as they are in focus and out of focus, as a camera would have them without noise."""

    sharp: Tensor
    blurred: Tensor


class Network(NamedTuple):
    """What training needs of a network."""

    file: str
    side: int  # of the crops
    steps: int
    initial: Callable[[torch.Generator], Tensors]
    judge: Callable[[Tensors, Crops, torch.Generator], tuple[Tensor, Tensor]]  # the loss, and the share judged right


def train(network: Network, steps: int = 0) -> Tensors:
    """Train from scratch, in the network's steps or in so many, and return the weights by name."""
    steps = steps or network.steps
    noise = torch.Generator().manual_seed(SEED)
    levels = [blurs(photographs.read(name)) for name in photographs.TRAINING]
    tensors = {name: tensor.requires_grad_() for name, tensor in network.initial(noise).items()}
    optimiser = torch.optim.AdamW(tensors.values(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    begun = time.monotonic()
    for step in range(steps):
        loss, right = network.judge(tensors, crops(levels, network.side, noise), noise)
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
        schedule.step()
        if step % 50 == 49:
            left = (time.monotonic() - begun) / (step + 1) * (steps - step - 1) / 60
            print(f"step {step + 1} of {steps}: loss {loss:.4f}, judged right {right:.2%}, {left:.0f} min left")
    return {name: tensor.detach() for name, tensor in tensors.items()}


def blurs(image: Tensor) -> Tensor:
    """Give a photograph in focus and at each strength of blur, (1 + strengths, H, W)."""
    return torch.stack([image, *(photographs.defocus(image, radius) for radius in photographs.RADII)])


def crops(levels: list[Tensor], side: int, noise: torch.Generator) -> Crops:
    """Draw crops: random photograph, place, strength and orientation."""

    def draw(limit: int) -> int:
        return int(torch.randint(limit, (1,), generator=noise))

    pairs = []
    for _ in range(CROPS):
        stack = levels[draw(len(levels))]
        top, left = (draw(length - side + 1) for length in stack.shape[1:])
        pair = stack[[0, 1 + draw(len(stack) - 1)], top : top + side, left : left + side]
        pairs.append(torch.rot90(pair if draw(2) else pair.mT, draw(4), (1, 2)))
    return Crops(*torch.stack(pairs, dim=1))


def taken(images: Tensor, largest: float, noise: torch.Generator) -> Tensor:
    """Take images (n, ..., h, w) by n cameras that differ in gain, gamma and noise behind the blur."""
    one = (len(images), *[1] * (images.ndim - 1))
    gain, gamma, spread = (torch.rand(one, generator=noise) for _ in range(3))
    images = (0.3 + 0.7 * gain) * images.clamp(min=1e-4) ** (0.6 + gamma)
    return images + largest * spread * torch.randn(images.shape, generator=noise)


def convolutions(name: str, channels: tuple[int, ...], noise: torch.Generator) -> Tensors:
    """Give 3 x 3 kernels to start from, normal and scaled for ReLU (K. He et al., ICCV 2015), and biases of 0."""
    tensors: Tensors = {}
    for index, (before, after) in enumerate(itertools.pairwise(channels)):
        kernel = torch.randn(after, before, 3, 3, generator=noise) * (2 / (9 * before)) ** 0.5
        tensors |= {f"{name}.{index}.weight": kernel, f"{name}.{index}.bias": torch.zeros(after)}
    return tensors


def told(pair: Crops) -> Tensor:
    """Say of each 16 x 16 window, two pixels apart, whether sharp and blurred differ in it."""
    return F.avg_pool2d((pair.sharp - pair.blurred).abs()[:, None], multifocus.WINDOW, stride=2)[:, 0] > SEEN


def _cnn_initial(noise: torch.Generator) -> Tensors:
    channels = multifocus_weights.CHANNELS
    tensors = convolutions("branch", channels, noise)
    return tensors | {"dense.weight": torch.randn(2, 2 * channels[-1], 8, 8, generator=noise) * 1e-3}


def _cnn(tensors: Tensors, pair: Crops, noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cross entropy of all windows in both orders."""
    weights = multifocus_weights.from_tensors(tensors)
    pair = Crops(*taken(torch.stack(pair, dim=1), NOISE, noise).unbind(1))
    sharp, blurred = multifocus.branch(torch.cat(pair), weights).chunk(2)
    scores = multifocus.join(torch.cat([sharp, blurred]), torch.cat([blurred, sharp]), weights)
    truth = torch.zeros(len(scores), *scores.shape[2:], dtype=torch.long)
    truth[: len(sharp)] = 1
    seen = told(pair).repeat(2, 1, 1).float()
    loss = (F.cross_entropy(scores, truth, reduction="none") * seen).sum() / seen.sum()
    return loss, ((scores.argmax(dim=1) == truth) * seen).sum() / seen.sum()


def _pixel_initial(noise: torch.Generator) -> Tensors:
    count, kinds = pixel_cnn.CHANNELS[-1], len(pixel_cnn.CLASSES)
    tensors = convolutions("layer", pixel_cnn.CHANNELS, noise)
    kernel = torch.randn(kinds, count, 1, 1, generator=noise) * 1e-2
    return tensors | {"classes.weight": kernel, "classes.bias": torch.zeros(kinds)}


def _pixel(tensors: Tensors, pair: Crops, noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Cross entropy of the classes in images of which a random part is out of focus."""
    side = pair.sharp.shape[1]
    smooth = F.interpolate(torch.rand(CROPS, 1, 3, 3, generator=noise), (side, side), mode="bicubic")[:, 0]
    mask = smooth > 0.5
    images = torch.cat([torch.where(mask, *pair), torch.where(mask, *pair[::-1])])
    scores = pixel_cnn.scores(taken(images, NOISE_OF_EACH, noise), tensors, every_fourth=True)
    flat = F.avg_pool2d((pair.sharp - pair.blurred).abs()[:, None], NEAR, stride=1, padding=NEAR // 2)[:, 0] <= SEEN
    truth = torch.cat([(~mask).long(), mask.long()]).masked_fill(flat.repeat(2, 1, 1), 2)
    truth = truth[:, pixel_cnn.CENTRE :: 4, pixel_cnn.CENTRE :: 4][:, : scores.shape[2], : scores.shape[3]]
    return F.cross_entropy(scores, truth), (scores.argmax(dim=1) == truth).float().mean()


def _support_initial(noise: torch.Generator) -> Tensors:
    channels = support_value_cnn.CHANNELS
    tensors = convolutions("branch", channels, noise)
    return tensors | {"support.weight": torch.randn(1, channels[-1], 8, 8, generator=noise) * 1e-3}


def _support(tensors: Tensors, pair: Crops, noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Structural risk: squared distances to the margin, and the squared norm of the last layer."""
    sharp, blurred = (taken(images, NOISE_OF_EACH, noise) for images in pair)
    values = support_value_cnn.support_values(sharp, blurred, tensors)
    seen = told(pair).float()
    lost = ((1 - values).clamp(min=0).square() * seen).sum() / seen.sum()
    loss = lost + RISK / 2 * tensors["support.weight"].square().sum()
    return loss, ((values > 0) * seen).sum() / seen.sum()


NETWORKS = {
    "cnn": Network(multifocus_weights.OWN_FILE, 32, 1500, _cnn_initial, _cnn),
    "p-cnn": Network(pixel_cnn.FILE, 60, 6000, _pixel_initial, _pixel),
    "dsvcnn": Network(support_value_cnn.FILE, 32, 2000, _support_initial, _support),
}


def main(names: list[str], folder: Path = Path("fusers/neural")) -> None:
    """Train, write the weights and print their digests."""
    for name in names or NETWORKS:
        content = save(train(NETWORKS[name]))
        path = folder / NETWORKS[name].file
        path.write_bytes(content)
        print(f"{path}: SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main(sys.argv[1:])
