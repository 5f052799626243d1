"""Learning of the filters of the fuser `csr`: `make train-csr`, some minutes on one core.

Online convolutional dictionary learning (J. Liu, C. Garcia-Cardona, B. Wohlberg, W. Yin, 2018) of the detail of
photographs: maps are found for a few crops, then the filters take a step against the gradient and are brought to
norm 1. One seed decides everything; the last bits differ between processors. It prints the sum that is minimised for
photographs that were not learned from, beside patches and cosines.
"""

import sys
from pathlib import Path

import learned_file
import torch
import train_sparse
from fusebench.datasets import photographs
from fusebench.fusers.feature.csr import SPARSITY, base, joined, sparse_maps
from fusebench.fusers.feature.csr_filters import FILE, SIDE
from torch import Tensor

SEED = 2016
FILTERS = 32
CROP, CROPS = 64, 4
ROUNDS, ITERATIONS = 300, 30
RATE, HALVED = 1.0, 50  # the step, and the round at which it is half as long


def crops(names: tuple[str, ...], count: int, noise: torch.Generator) -> Tensor:
    """Draw the detail of crops of photographs, (count, 64, 64)."""
    drawn = []
    for _ in range(count):
        image = photographs.read(names[int(torch.randint(len(names), (), generator=noise))]).double()
        top, left = (int(torch.randint(side - CROP + 1, (), generator=noise)) for side in image.shape)
        drawn.append(image[top : top + CROP, left : left + CROP])
    images = torch.stack(drawn)
    return images - base(images)


def learn(filters: Tensor, rounds: int, noise: torch.Generator) -> Tensor:
    """Improve filters (M, 8, 8) of norm 1."""
    for step in range(rounds):
        images = crops(photographs.TRAINING, CROPS, noise)
        maps = sparse_maps(images, filters, SPARSITY, ITERATIONS)
        moved = filters.clone().requires_grad_()
        loss = (joined(maps, moved) - images).square().sum() / 2
        (gradient,) = torch.autograd.grad(loss, moved)
        # In units of what the maps hold, which is the curvature.
        filters = filters - RATE / (1 + step / HALVED) * gradient / (maps.square().sum(dim=(0, 2, 3)).mean() + 1e-12)
        filters = filters / filters.norm(dim=(1, 2), keepdim=True)
        if step % 20 == 0:
            print(f"round {step}: {cost(images, filters, maps):.4f}", flush=True)
    return filters


def cost(images: Tensor, filters: Tensor, maps: Tensor) -> float:
    """Give the sum that maps minimise, for one crop on average."""
    return ((joined(maps, filters) - images).square().sum() / 2 + SPARSITY * maps.abs().sum()).item() / len(images)


def main() -> None:
    """Learn, and write the file that is named."""
    torch.set_num_threads(1)
    target = Path(sys.argv[1])
    noise = torch.Generator().manual_seed(SEED)
    patches = train_sparse.patches(photographs.TRAINING, FILTERS, SEED).view(-1, SIDE, SIDE).mT
    patches = patches / patches.norm(dim=(1, 2), keepdim=True)
    found = learn(patches, ROUNDS, noise).float()
    unseen = crops(photographs.HELD_OUT, 16, noise)
    cosines = train_sparse.cosines().T.view(16, 16, SIDE, SIDE)[::2, ::2][:4].reshape(FILTERS, SIDE, SIDE)
    for name, filters in (("learned", found.double()), ("patches", patches), ("cosines", cosines)):
        print(f"{name}: {cost(unseen, filters, sparse_maps(unseen, filters, SPARSITY, 200)):.4f}")
    learned_file.write(target, {"filters": found}, FILE)


if __name__ == "__main__":
    main()
