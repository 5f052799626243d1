"""Learning of the dictionary of the sparse rule: `make train-sparse`, some minutes on one core.

K-SVD (M. Aharon, M. Elad, A. Bruckstein, 2006), with the updates of R. Rubinstein, M. Zibulevsky, M. Elad (2008), of
patches of photographs without their mean, the flat ones left out. One seed decides everything; the last bits differ
between processors. It prints how many atoms a patch takes of photographs that were not learned from, beside cosines.
"""

import sys
from pathlib import Path

import learned_file
import numpy as np
import torch
from fusebench.datasets import photographs
from fusebench.fusers.rules.sparse import pursuit
from fusebench.fusers.rules.sparse_dictionary import FILE, SIDE
from torch import Tensor

SEED = 2010
ATOMS = 256
DRAWN, ROUNDS = 40_000, 30
FLAT = 4 / 255  # patches of a smaller standard deviation are not learned from
LEARNED_TO = SIDE * 5 / 255  # what a code may lack of a patch: 5 grey levels, root mean square
ALIKE = 0.98  # atoms that correlate more are one


def patches(names: tuple[str, ...], count: int, seed: int) -> Tensor:
    """Draw patches of photographs, (count, 64), pixels down the columns, without their mean; none is flat."""
    noise = torch.Generator().manual_seed(seed)
    images = [photographs.read(name).double() for name in names]
    drawn: list[Tensor] = []
    while len(drawn) < count:
        image = images[int(torch.randint(len(images), (), generator=noise))]
        top, left = (int(torch.randint(side - SIDE + 1, (), generator=noise)) for side in image.shape)
        patch = image[top : top + SIDE, left : left + SIDE].T.flatten()
        if patch.std() > FLAT:
            drawn.append(patch - patch.mean())
    return torch.stack(drawn)


def learn(signals: Tensor, atoms: Tensor, rounds: int, tolerance: float) -> Tensor:
    """Improve atoms, (size, atoms): code all signals, then fit each atom to the signals that use it.

    An atom that fewer than 10 signals use, or that is like another, becomes the signal that is coded worst.
    """
    atoms = atoms / atoms.norm(dim=0)
    for step in range(rounds):
        codes, rest = pursuit(signals, atoms, tolerance)
        print(f"round {step}: {(codes != 0).sum(1).double().mean():.2f} atoms to a signal", flush=True)
        longest = (codes != 0).sum(1).argsort(descending=True, stable=True).tolist()
        for k in range(atoms.shape[1]):
            users = codes[:, k].nonzero()[:, 0]
            alike = (atoms.T @ atoms[:, k]).abs()
            alike[k] = 0
            if len(users) < 10 or alike.max() > ALIKE:
                new = signals[longest.pop(0)]
                atoms[:, k] = new / new.norm()
                continue
            weights = codes[users, k]
            lacking = rest[users] + weights[:, None] * atoms[:, k]
            new = weights @ lacking
            atoms[:, k] = new / new.norm()
            codes[users, k] = lacking @ atoms[:, k]
            rest[users] = lacking - codes[users, k][:, None] * atoms[:, k]
    return atoms


def cosines() -> Tensor:
    """Give the overcomplete cosine dictionary, products of 16 cosines by 16; its constant atom becomes an impulse."""
    along = np.cos(np.outer(np.arange(SIDE), np.arange(16)) * np.pi / 16)
    along[:, 1:] -= along[:, 1:].mean(axis=0)
    both = torch.from_numpy(np.kron(along, along))
    both[:, 0] = torch.eye(SIDE**2, dtype=both.dtype)[:, 0] - 1 / SIDE**2
    unit: Tensor = both / both.norm(dim=0)
    return unit


def main() -> None:
    """Learn, and write the file that is named."""
    torch.set_num_threads(1)
    target = Path(sys.argv[1])
    found = learn(patches(photographs.TRAINING, DRAWN, SEED), cosines(), ROUNDS, LEARNED_TO).float()
    unseen = patches(photographs.HELD_OUT, 2000, SEED + 1)
    for name, atoms in (("learned", found.double()), ("cosines", cosines())):
        for levels in (1, 5, 20):
            taken = (pursuit(unseen, atoms, SIDE * levels / 255).codes != 0).sum(1)
            print(f"{name}: {taken.double().mean():.1f} atoms to {levels} grey levels, root mean square")
    learned_file.write(target, {"atoms": found}, FILE)


if __name__ == "__main__":
    main()
