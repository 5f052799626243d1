"""VGG16 + L-BFGS against its straightforward form, in one run on one pair: seconds to a loss, and how they grow.

The reference is what the method usually is: three channels, torch's own differentiation, SciPy's L-BFGS-B, one pair
at a time; with bounds, so that its losses are those of images that can be saved. Every benchmark's `extra_info` says
what the table of `make perf` needs (tools/performance.py).
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
import torch.nn.functional as F
from fusebench.datasets import phantom
from fusebench.datasets.pair import Pair
from fusebench.fusers.neural import vgg16, vgg16_weights
from fusebench.fusers.neural.vgg16 import VGG16LBFGS
from fusebench.fusers.neural.vgg16_network import BGR_MEANS, Network
from fusebench.fusers.neural.vgg16_weights import CHANNELS, LAYERS
from pytest_benchmark.fixture import BenchmarkFixture
from torch import Tensor

pytestmark = pytest.mark.perf


class Reference:
    """The network on three channels, differentiated by torch; grey levels of shape (H, W)."""

    def __init__(self, layer: str) -> None:
        weights = vgg16_weights.load()
        self._layers = [(name, *weights[name]) for name in LAYERS[: LAYERS.index(layer) + 1]]

    def features(self, x: Tensor) -> Tensor:
        out = x.expand(1, 3, *x.shape) - torch.tensor(BGR_MEANS).view(1, 3, 1, 1)
        for name, kernel, bias in self._layers:
            if name.endswith("_1") and name != "conv1_1":
                out = F.max_pool2d(out, 2)
            out = F.relu(F.conv2d(out, kernel, bias, padding=1))
        return out

    def loss_and_gradient(self, x: Tensor, target: Tensor) -> tuple[float, Tensor]:
        leaf = x.clone().requires_grad_()
        loss = (target - self.features(leaf)).square().sum()
        (gradient,) = torch.autograd.grad(loss, leaf)
        return loss.item(), gradient

    def fuse(self, a: Tensor, b: Tensor) -> "Curve":
        """Run the protocol's 5 rounds of 10 iterations, between 0 and 255."""
        from scipy.optimize import minimize

        curve = Curve()
        with torch.no_grad():
            target = torch.maximum(self.features(255 * a), self.features(255 * b))

        def evaluate(pixels: npt.NDArray[np.float64]) -> tuple[float, npt.NDArray[np.float64]]:
            loss, gradient = self.loss_and_gradient(torch.from_numpy(pixels).float().view(a.shape), target)
            curve.add(loss)
            return loss, gradient.double().numpy().ravel()

        pixels = (255 * (a + b) / 2).double().numpy().ravel()
        bounds = [(0, 255)] * pixels.size
        for _ in range(5):
            options = {"maxiter": 10}
            pixels = minimize(evaluate, pixels, method="L-BFGS-B", jac=True, bounds=bounds, options=options).x
        return curve


class Curve:
    """Losses, and the seconds since the beginning at which they were known."""

    def __init__(self) -> None:
        self._begun = time.perf_counter()
        self.seconds: list[float] = []
        self.losses: list[float] = []

    def add(self, loss: float) -> None:
        self.seconds.append(time.perf_counter() - self._begun)
        self.losses.append(loss)


def by_reference(layer: str, pair: Pair) -> Curve:
    return Reference(layer).fuse(pair.a, pair.b)


def by_bounded(layer: str, pair: Pair) -> Curve:
    """Run ours; losses of shallower layers count as seconds only."""
    curve = Curve()
    evaluate = Network.loss_and_gradient

    def watched(network: Network, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        loss, gradient = evaluate(network, x, target)
        curve.add(loss.item())
        return loss, gradient

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Network, "loss_and_gradient", watched)
        trace = VGG16LBFGS(layer=layer).trace(pair.a, pair.b)
    curve.seconds, curve.losses = curve.seconds[trace.approach :], curve.losses[trace.approach :]
    return curve


@pytest.fixture(scope="module")
def slices() -> dict[int, Pair]:
    """Give a synthetic CT/MRI pair in each size; 512 and 1024 by doubling that of 256."""
    pairs = {size: phantom.pair("CT-MRI", 20, size) for size in (128, 256)}
    for size in (512, 1024):
        doubled = (
            F.interpolate(image[None, None], size=(size, size), mode="bilinear")[0, 0]
            for image in (pairs[256].a, pairs[256].b)
        )
        pairs[size] = Pair(*doubled, kind="CT-MRI", name=str(size), case="1")
    return pairs


def operations(layer: str, side: int) -> float:
    """Count the floating-point operations of the convolutions of one evaluation, there and back."""
    total, channels = 0.0, 1
    for name in LAYERS[: LAYERS.index(layer) + 1]:
        pixels = (side >> (int(name[4]) - 1)) ** 2
        total += 2 * 2 * 9 * channels * CHANNELS[name] * pixels
        channels = CHANNELS[name]
    return total


@pytest.mark.parametrize("layer", ["conv1_2", "conv2_1", "conv3_1", "conv5_3"])
@pytest.mark.parametrize("implementation", ["reference", "fusebench"])
def test_an_evaluation(
    benchmark: BenchmarkFixture, implementation: str, layer: str, slices: dict[int, Pair], peak: float
) -> None:
    a, b = 255 * slices[256].a, 255 * slices[256].b
    x = (a + b) / 2
    benchmark.group = f"evaluation at {layer}"
    run: Callable[[], Any]
    if implementation == "reference":
        reference = Reference(layer)
        with torch.no_grad():
            target = torch.maximum(reference.features(a), reference.features(b))
        run = lambda: reference.loss_and_gradient(x, target)  # noqa: E731
    else:
        network = Network(layer, x)
        target = torch.maximum(network.features(a[None]), network.features(b[None]))
        run = lambda: network.loss_and_gradient(x[None], target)  # noqa: E731
    benchmark.pedantic(run, warmup_rounds=2, rounds=15)
    benchmark.extra_info |= {
        "method": f"vgg16, {layer}",
        "what": "evaluation",
        "variant": implementation,
        "size": 256,
        "batch": 1,
        "share_of_peak": operations(layer, 256) / benchmark.stats.stats.min / peak,
    }


@pytest.mark.parametrize("layer", ["conv1_2", "conv2_1", "conv3_1", "conv4_1", "conv5_1"])
@pytest.mark.parametrize("run", [by_reference, by_bounded])
def test_a_pair(
    benchmark: BenchmarkFixture,
    run: Callable[[str, Pair], Curve],
    layer: str,
    slices: dict[int, Pair],
    peak_memory: Callable[[], float],
) -> None:
    benchmark.group = f"a pair at {layer}"
    peak_memory()
    curve = benchmark.pedantic(run, (layer, slices[256]), rounds=1)
    benchmark.extra_info |= {
        "method": f"vgg16, {layer}",
        "what": "a pair",
        "variant": run.__name__.removeprefix("by_"),
        "size": 256,
        "batch": 1,
        "peak_memory": peak_memory(),
        "curves": [(curve.seconds, curve.losses)],
    }


@pytest.mark.parametrize("run", [by_reference, by_bounded])
def test_all_layers(benchmark: BenchmarkFixture, run: Callable[[str, Pair], Curve], slices: dict[int, Pair]) -> None:
    benchmark.group = "a pair at all 13 layers"
    curves = benchmark.pedantic(lambda: [run(layer, slices[256]) for layer in LAYERS], rounds=1)
    benchmark.extra_info |= {
        "method": "vgg16, all 13 layers",
        "what": "a pair",
        "variant": run.__name__.removeprefix("by_"),
        "size": 256,
        "batch": 1,
        "curves": [(curve.seconds, curve.losses) for curve in curves],
    }


@pytest.mark.parametrize(("size", "batch"), [(128, 1), (256, 1), (512, 1), (1024, 1), (256, 4), (256, 16), (128, 64)])
@pytest.mark.parametrize("layer", ["conv1_2", "conv3_1"])
def test_growth(
    benchmark: BenchmarkFixture,
    layer: str,
    size: int,
    batch: int,
    slices: dict[int, Pair],
    peak_memory: Callable[[], float],
) -> None:
    # 20 evaluations of a batch, which is what a pair takes at conv1_2; ends of their own would blur the growth.
    a, b = (255 * image.expand(batch, -1, -1) for image in (slices[size].a, slices[size].b))
    benchmark.group = f"20 evaluations at {layer}"
    vgg16_weights.load()
    peak_memory()

    def evaluate() -> None:
        network = Network(layer, a)
        target = vgg16.target_of(network, a / 255, b / 255)
        for _ in range(20):
            network.loss_and_gradient((a + b) / 2, target)

    benchmark.pedantic(evaluate, rounds=1)
    benchmark.extra_info |= {
        "method": f"vgg16, {layer}",
        "what": "growth, 20 evaluations",
        "variant": "fusebench",
        "size": size,
        "batch": batch,
        "peak_memory": peak_memory(),
    }
