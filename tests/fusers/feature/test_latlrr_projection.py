"""Witnesses: the conditions of the problem that the projection solves, and what it takes out of a patch."""

import pytest
import torch
import train_latlrr
from fusebench.fusers.feature import latlrr_projection


def test_the_method_of_multipliers_finds_the_least_norms(
    noise: torch.Generator, capsys: pytest.CaptureFixture[str]
) -> None:
    x = torch.rand(6, 12, generator=noise, dtype=torch.float64)
    found = train_latlrr.represent(x, sparsity=10.0)
    assert "from a solution" in capsys.readouterr().out
    # Where errors cost too much to be made, x = z' x with z' = 1 - l; the least nuclear norms sum to the rank of x
    # (H. Zhang, Z. Lin, C. Zhang, A counterexample for the validity of using nuclear norm, ECML 2013).
    z = torch.linalg.pinv(x) @ (torch.eye(6, dtype=torch.float64) - found) @ x
    norms = [torch.linalg.matrix_norm(matrix, "nuc").item() for matrix in (z, found)]
    assert sum(norms) == pytest.approx(6, abs=1e-4)
    assert norms[1] > 1


def test_the_projection_leaves_flat_patches_alone() -> None:
    projection = latlrr_projection.load()
    assert projection.dtype == torch.float64
    # Symmetric, with singular values up to 1/2: half of the busiest patterns is taken out, and little of a flat one.
    assert torch.allclose(projection, projection.T, atol=1e-9)
    values = torch.linalg.svdvals(projection)
    assert 0.49 < values[0] < 0.5
    assert values[-1] < 0.1
    assert (projection @ torch.ones(64, dtype=torch.float64)).abs().max() < 0.1


def test_a_damaged_file_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(latlrr_projection, "SHA256", "0" * 64)
    with pytest.raises(ValueError, match="the installation is damaged"):
        latlrr_projection.load()
