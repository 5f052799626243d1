"""The rules, by hand."""

import torch
from fusebench.fusers.rules.activity import choose_by_region


def test_the_rule_takes_the_more_active_region_as_a_whole() -> None:
    a, b = torch.zeros(1, 4, 4), torch.zeros(1, 4, 4)
    a[0, 1, 1], b[0, 1, 2] = 3, 2
    b[0, 0, 0] = 0.5
    chosen = choose_by_region(a, b)
    # At (0, 0) the region of a holds the 3, so a's 0 is taken though b has a coefficient there.
    assert chosen[0, 0, 0] == 0
    assert chosen[0, 1, 1] == 3
    # (1, 2) lies right of the 3: its region holds only b's 2.
    assert chosen[0, 1, 2] == 2
