"""Decisions: neurons against the original codes' counts, posteriors and evidence against closed forms; ONNX models."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from fusebench.bench import cli
from fusebench.fusers.base import label
from fusebench.fusers.catalogue import make
from fusebench.fusers.decision.bayes import Bayes
from fusebench.fusers.decision.dempster_shafer import DempsterShafer, Evidence, joined
from fusebench.fusers.filters.histogram import histogram_contrast
from fusebench.fusers.neural.dlf import DLF, base
from fusebench.fusers.neural.zero_learning import ZeroLearning
from fusebench.fusers.pixel.pca import PCA
from fusebench.fusers.pixel.pcnn import PCNN, conductance
from fusebench.fusers.pixel.weighted import WeightedAverage
from fusebench.fusers.rules.pulse_coupled import firings, fixed_firings


@pytest.mark.parametrize(
    ("key", "image", "side", "iterations"),
    [("R_l3_n200", "x", 3, 200), ("R_l5_n20", "x", 5, 20), ("Rq_l3_n200", "xq", 3, 200)],
)
def test_neurons_fire_as_in_the_published_code(shared: Path, key: str, image: str, side: int, iterations: int) -> None:
    known = np.load(shared / "oracles" / "pcnn" / "pcnn_units.npz")
    x = torch.from_numpy(known[image].astype(float))[None]
    assert np.array_equal(firings(x, side=side, iterations=iterations)[0].numpy(), known[key])


def test_adaptive_neurons_fire_as_in_the_published_code(shared: Path) -> None:
    known = np.load(shared / "oracles" / "pcnn" / "pcnn_units.npz")
    x = torch.from_numpy(known["x"])[None] / 255
    assert np.array_equal(fixed_firings(x, 110, 0.5, 0.7, 3.0, 2.5)[0].numpy(), known["PA"])


def test_a_batch_of_neurons_is_its_images(noise: torch.Generator) -> None:
    x = torch.rand(3, 150, 150, generator=noise, dtype=torch.float64)  # computed in portions
    strengths = 3 * conductance(x)
    alone = torch.cat([firings(x[n : n + 1], iterations=9, linking=strengths[n : n + 1]) for n in range(3)])
    assert torch.equal(firings(x, iterations=9, linking=strengths), alone)


def test_a_memristor_conducts_by_its_doped_part() -> None:
    # Half of it doped: 1 / (100 / 2 + 16000 / 2), over 1 / 100.
    found = conductance(torch.tensor([[[0.0, 1.0, 2.0]]], dtype=torch.float64))[0, 0]
    assert found.tolist() == pytest.approx([100 / 16000, 100 / 8050, 1.0])
    assert PCNN("memristor").title == "Memristor PCNN"


def sharp_and_flat() -> tuple[torch.Tensor, torch.Tensor]:
    """Give two images of which each is sharp in one half and blurred in the other."""
    sharp = torch.rand(1, 32, 64, generator=torch.Generator().manual_seed(4))
    blurred = torch.full_like(sharp, 0.5)
    left = torch.arange(64) < 32
    return torch.where(left, sharp, blurred), torch.where(left, blurred, sharp)


@pytest.mark.parametrize("fuser", [Bayes(), DempsterShafer(), PCNN(), PCNN("memristor"), PCNN("adaptive")], ids=label)
def test_each_half_comes_from_the_source_that_shows_it(fuser: object) -> None:
    a, b = sharp_and_flat()
    sharp = torch.where(torch.arange(64) < 32, a, b)
    fused = fuser(a, b)  # type: ignore[operator]
    wrong = (fused - sharp).abs() > 1e-6
    assert wrong[:, :, 8:24].float().mean() < 0.02
    assert wrong[:, :, 40:56].float().mean() < 0.02


def test_the_posterior_is_that_of_the_model() -> None:
    # Equal sources tell nothing: the posterior is the prior.
    x = torch.rand(1, 16, 16, dtype=torch.float64)
    assert Bayes(prior=0.3).posterior(x, x).numpy() == pytest.approx(np.full((1, 16, 16), 0.3))
    # An image and its half: variance and squared Laplacian both differ by 4, so that the log odds are 2 x 2 log 4.
    found = Bayes(region=16).posterior(x + 1, (x + 1) / 2)
    assert found.mean().item() == pytest.approx(1 / (1 + math.exp(-2 * 2 * math.log(4))), abs=1e-4)
    assert Bayes(region=16, spread=2).posterior(x + 1, (x + 1) / 2).mean().item() == pytest.approx(
        1 / (1 + math.exp(-math.log(4))), abs=1e-4
    )


def test_dempsters_rule_by_hand_and_its_properties() -> None:
    def mass(first: float, second: float) -> Evidence:
        values = (first, second, 1 - first - second, 0.0)
        return Evidence(*(torch.tensor(value, dtype=torch.float64) for value in values))

    # Zadeh's example in two hypotheses: 0.9 against 0.9 cancel, and 0.81 + 0 is conflict.
    found = joined(mass(0.9, 0.0), mass(0.0, 0.9))
    assert [x.item() for x in found] == pytest.approx([0.09 / 0.19, 0.09 / 0.19, 0.01 / 0.19, 0.81])
    nothing = joined(mass(0.2, 0.5), mass(0.0, 0.0))
    assert [x.item() for x in nothing] == pytest.approx([0.2, 0.5, 0.3, 0.0])


def test_the_masses_add_up_and_conflict_is_a_map(noise: torch.Generator) -> None:
    a, b = torch.rand(2, 1, 20, 24, generator=noise, dtype=torch.float64)
    found = DempsterShafer().evidence(a, b)
    assert torch.allclose(found.first + found.second + found.unknown, torch.ones_like(a))
    assert found.conflict.shape == a.shape
    assert 0 <= found.conflict.min() <= found.conflict.max() <= 1
    assert DempsterShafer(soft=True)(a.float(), b.float()).isfinite().all()


def test_weights_of_whole_images_by_hand() -> None:
    a, b = torch.tensor([[[0.0, 1.0]]]), torch.tensor([[[0.25, 0.75]]])
    # Variances 1/4 and 1/16: weights 0.8 and 0.2.
    assert WeightedAverage("variance")(a, b)[0, 0].tolist() == pytest.approx([0.05, 0.95])
    assert WeightedAverage("fixed", 0.25)(a, b)[0, 0].tolist() == pytest.approx([0.1875, 0.8125])
    assert WeightedAverage()(a, b)[0, 0].tolist() == pytest.approx([0.125, 0.875])  # one bit each
    # The second varies half as much in one direction with the first: components 2 : 1.
    assert PCA()(a, b)[0, 0].tolist() == pytest.approx([1 / 12, 11 / 12])


def test_the_base_of_dlf_solves_its_equation(noise: torch.Generator) -> None:
    image = torch.rand(1, 9, 12, generator=noise, dtype=torch.float64)
    smooth = base(image)
    wide = torch.nn.functional.pad(smooth[:, None], (1, 1, 1, 1), mode="replicate")[:, 0]
    laplacian = wide[:, :-2, 1:-1] + wide[:, 2:, 1:-1] + wide[:, 1:-1, :-2] + wide[:, 1:-1, 2:] - 4 * smooth
    assert torch.allclose(smooth - 5 * laplacian, image)
    assert DLF().least == 8
    assert ZeroLearning().parameters > DLF().parameters > 1e6


def test_what_stands_out_by_hand() -> None:
    # Levels 0, 0, 255: distances 85, 85 and 170 on average.
    found = histogram_contrast(torch.tensor([[[0.0, 0.0, 1.0]]], dtype=torch.float64))
    assert found.tolist() == [[[0.0, 0.0, 1.0]]]


def model(path: Path, operator: str = "Max", channels: int = 1) -> Path:
    """Write a network of one operation on two images."""
    from onnx import TensorProto, checker, helper, save

    shape = ["n", channels, "h", "w"]
    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in ("ir", "vis", "fused")]
    graph = helper.make_graph([helper.make_node(operator, ["ir", "vis"], ["fused"])], "g", values[:2], values[2:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    checker.check_model(made)
    save(made, str(path))
    return path


def test_a_network_of_ones_own_fuses(tmp_path: Path, noise: torch.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra onnx")
    a, b = torch.rand(2, 2, 9, 14, generator=noise)
    path = model(tmp_path / "maximum.onnx")
    fuser = make(f"onnx[model={path}]")
    assert label(fuser) == "onnx[model=maximum.onnx]"
    assert fuser.title == "maximum"  # type: ignore[attr-defined]
    assert torch.equal(fuser(a, b), torch.maximum(a, b))
    for grey in ("0..255", "-1..1"):
        found = make(f"onnx[model={path},range={grey},multiple=8]")(a, b)
        assert torch.allclose(found, torch.maximum(a, b), atol=1e-6)
    digest = fuser.weights_sha256  # type: ignore[attr-defined]
    model(path, "Min")
    assert make(f"onnx[model={path}]").weights_sha256 != digest  # type: ignore[attr-defined]
    assert cli.main is not None
    del monkeypatch


@pytest.mark.parametrize(
    ("write", "complaint"),
    [
        (lambda path: path.write_bytes(b"no model"), "is no ONNX model that onnxruntime reads"),
        (lambda path: model(path, channels=3), r"takes .*; two images \(N, 1, H, W\) are needed"),
    ],
)
def test_what_is_no_such_network_is_named(tmp_path: Path, write: object, complaint: str) -> None:
    pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: the extra onnx")
    path = tmp_path / "x.onnx"
    write(path)  # type: ignore[operator]
    with pytest.raises(ValueError, match=rf"x\.onnx: {complaint}"):
        make(f"onnx[model={path}]")(torch.zeros(1, 4, 4), torch.zeros(1, 4, 4))
