"""Training of the projection of the fuser `mdlatlrr`: `make train-latlrr`, some minutes.

Latent low-rank representation (G. Liu, S. Yan, Latent low-rank representation for subspace segmentation and feature
extraction, ICCV 2011) of patches of photographs: X = X Z + L X + E with the least nuclear norms of Z and L and the
least magnitudes of E. L takes the salient part out of a patch. Half of the patches are of the busiest tenth of those
drawn, half of the rest. One seed decides everything; the last bits differ between processors.
"""

import sys
from pathlib import Path

import learned_file
import torch
from fusebench.datasets import photographs
from fusebench.fusers.feature.latlrr_projection import FILE, SIDE
from torch import Tensor

SEED = 2020
DRAWN, KEPT = 20000, 1000
SPARSITY = 0.4  # the weight of E, the papers'


def patches() -> Tensor:
    """Draw patches of the photographs, a column each, pixels down the columns of the patch."""
    noise = torch.Generator().manual_seed(SEED)
    images = [photographs.read(name) for name in photographs.TRAINING]
    drawn = []
    for _ in range(DRAWN):
        image = images[int(torch.randint(len(images), (), generator=noise))]
        top, left = (int(torch.randint(side - SIDE + 1, (), generator=noise)) for side in image.shape)
        drawn.append(image[top : top + SIDE, left : left + SIDE].T.flatten())
    columns = torch.stack(drawn, 1).double()
    order = columns.std(0).argsort(descending=True, stable=True)
    halves = order[: DRAWN // 10], order[DRAWN // 10 :]
    kept = [half[torch.randperm(len(half), generator=noise)[: KEPT // 2]] for half in halves]
    return columns[:, torch.cat(kept)]


def represent(x: Tensor, sparsity: float = SPARSITY, tolerance: float = 1e-6) -> Tensor:
    """Find L by the augmented Lagrange multipliers of Liu and Yan.

    Copies of Z and L, whose singular values are lowered, and E take turns with Z and L; `y1` to `y3` are the
    multipliers of the equation, of Z and its copy, of L and its copy.

    Parameters
    ----------
    x
        Patches, a column each.
    sparsity
        The weight of E.
    tolerance
        How far the equation, and the copies, may be off.
    """
    size, count = x.shape
    z, e = x.new_zeros(count, count), torch.zeros_like(x)
    salient: Tensor = x.new_zeros(size, size)
    y1, y2, y3 = torch.zeros_like(e), torch.zeros_like(z), torch.zeros_like(salient)
    left: Tensor = torch.linalg.inv(torch.eye(count).to(x) + x.T @ x)
    right: Tensor = torch.linalg.inv(torch.eye(size).to(x) + x @ x.T)
    penalty, step = 1e-6, 0
    while True:
        j, s = low_rank(z + y2 / penalty, 1 / penalty), low_rank(salient + y3 / penalty, 1 / penalty)
        z = left @ (x.T @ (x - salient @ x - e) + j + (x.T @ y1 - y2) / penalty)
        salient = ((x - x @ z - e) @ x.T + s + (y1 @ x.T - y3) / penalty) @ right
        rest = x - x @ z - salient @ x
        e = rest + y1 / penalty
        e = e - e.clamp(-sparsity / penalty, sparsity / penalty)
        gaps = rest - e, z - j, salient - s
        worst = max(gap.abs().max().item() for gap in gaps)
        if step % 10 == 0 or worst < tolerance:
            print(f"step {step}: {worst:.2g} from a solution", flush=True)
        if worst < tolerance:
            return salient
        y1, y2, y3 = (y + penalty * gap for y, gap in zip((y1, y2, y3), gaps, strict=True))
        penalty, step = min(1.1 * penalty, 1e6), step + 1


def low_rank(matrix: Tensor, threshold: float) -> Tensor:
    """Lower singular values by a threshold, to 0 at least."""
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    keep = s > threshold
    lowered: Tensor = (u[:, keep] * (s[keep] - threshold)) @ v[keep]
    return lowered


def main() -> None:
    """Train, and write the file that is named."""
    torch.set_num_threads(1)
    target = Path(sys.argv[1])
    learned_file.write(target, {"projection": represent(patches())}, FILE)


if __name__ == "__main__":
    main()
