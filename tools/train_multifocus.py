"""Training of the multi-focus network: `make train-multifocus`.

The network of Liu et al. 2017 (the light model) on patches of photographs, sharp against out of focus at several
strengths. Where the authors took single 16 x 16 patches, crops of 32 x 32 are used: all their 81 windows are scored in
one pass. Each crop is shown in both orders, so the two classes are balanced. One seed decides everything; the last bits
of the weights differ between processors.
"""

import hashlib
import itertools
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from fusebench.datasets import photographs
from fusebench.fusers.neural import multifocus
from fusebench.fusers.neural.multifocus_weights import CHANNELS, OWN_FILE, from_tensors
from safetensors.torch import save
from torch import Tensor

SEED = 2017
STEPS, CROPS, CROP = 1500, 24, 32
RATE, DECAY = 1e-3, 5e-4
NOISE = 0.01  # largest standard deviation of the sensor noise added behind the blur
SEEN = 1 / 255  # mean difference of sharp and blurred below which a window has no answer


def train(steps: int = STEPS) -> dict[str, Tensor]:
    """Train from scratch and return the weights by name."""
    noise = torch.Generator().manual_seed(SEED)
    sharp = [photographs.read(name) for name in photographs.TRAINING]
    levels = [torch.stack([image, *(photographs.defocus(image, r) for r in photographs.RADII)]) for image in sharp]
    tensors = initial(noise)
    optimiser = torch.optim.AdamW(tensors.values(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=steps)
    begun = time.monotonic()
    for step in range(steps):
        loss, accuracy = windows(tensors, *crops(levels, noise))
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
        optimiser.step()
        schedule.step()
        if step % 50 == 49:
            left = (time.monotonic() - begun) / (step + 1) * (steps - step - 1) / 60
            print(f"step {step + 1} of {steps}: loss {loss:.4f}, windows right {accuracy:.2%}, {left:.0f} min left")
    return {name: tensor.detach() for name, tensor in tensors.items()}


def initial(noise: torch.Generator) -> dict[str, Tensor]:
    """Give weights to start from: normal, scaled for ReLU (K. He et al., ICCV 2015)."""
    tensors = {}
    for index, (before, after) in enumerate(itertools.pairwise(CHANNELS)):
        tensors[f"branch.{index}.weight"] = (
            torch.randn(after, before, 3, 3, generator=noise) * (2 / (9 * before)) ** 0.5
        )
        tensors[f"branch.{index}.bias"] = torch.zeros(after)
    tensors["dense.weight"] = torch.randn(2, 2 * CHANNELS[-1], 8, 8, generator=noise) * 1e-3
    return {name: tensor.requires_grad_() for name, tensor in tensors.items()}


def crops(levels: list[Tensor], noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw crops, sharp and out of focus: random photograph, place, strength, orientation, contrast and noise."""

    def draw(limit: int) -> int:
        return int(torch.randint(limit, (1,), generator=noise))

    pairs = []
    for _ in range(CROPS):
        stack = levels[draw(len(levels))]
        top, left = (draw(side - CROP + 1) for side in stack.shape[1:])
        pair = stack[[0, 1 + draw(len(stack) - 1)], top : top + CROP, left : left + CROP]
        pairs.append(torch.rot90(pair if draw(2) else pair.mT, draw(4), (1, 2)))
    batch = torch.stack(pairs)
    gain, gamma, spread = (torch.rand(CROPS, 1, 1, 1, generator=noise) for _ in range(3))
    batch = (0.3 + 0.7 * gain) * batch.clamp(min=1e-4) ** (0.6 + gamma)
    batch = batch + NOISE * spread * torch.randn(batch.shape, generator=noise)
    return batch[:, 0], batch[:, 1]


def windows(tensors: dict[str, Tensor], sharp: Tensor, blurred: Tensor) -> tuple[Tensor, Tensor]:
    """Give the loss over all windows in both orders, and the share that is judged right."""
    weights = from_tensors(tensors)
    in_focus, out_of_focus = multifocus.branch(torch.cat([sharp, blurred]), weights).chunk(2)
    scores = multifocus.join(torch.cat([in_focus, out_of_focus]), torch.cat([out_of_focus, in_focus]), weights)
    truth = torch.zeros(len(scores), *scores.shape[2:], dtype=torch.long)
    truth[: len(sharp)] = 1
    difference = F.avg_pool2d((sharp - blurred).abs().unsqueeze(1), multifocus.WINDOW, stride=2).squeeze(1)
    told = (difference > SEEN).repeat(2, 1, 1).float()
    loss = (F.cross_entropy(scores, truth, reduction="none") * told).sum() / told.sum()
    return loss, ((scores.argmax(dim=1) == truth) * told).sum() / told.sum()


def main(path: Path) -> None:
    """Train, write the weights and print their digest."""
    content = save(train())
    path.write_bytes(content)
    print(f"{path}: SHA-256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else f"fusers/neural/{OWN_FILE}"))
