"""VGG16 up to one convolution: its features of grey or colour images, and the gradient of a distance to given ones."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from fusebench.fusers.neural import vgg16_weights
from fusebench.fusers.neural.precision import full_precision
from fusebench.fusers.neural.vgg16_weights import LAYERS
from torch import Tensor

# Means of the training images, in the network's order: blue, green, red; subtracted, nothing is scaled.
BGR_MEANS = (103.939, 116.779, 123.68)


class Passed(NamedTuple):
    """What a layer leaves for the way back: its output, and which pixels the pooling before it took, of what size."""

    out: Tensor
    taken: Tensor | None
    size: torch.Size


class Network:
    """VGG16 up to and with one convolution and its ReLU, for levels from 0 to 255.

    Of a grey image the three input channels are the same, so they are folded into one: the kernels are summed over
    them. What the subtracted means contribute is a convolution of a further channel of ones, whose zero padding is that
    of the image after the subtraction; so the border is exact too.

    Forward and backward are written out: the way back needs the signs of the outputs and the pooled places only,
    works in place, and ends in one channel or three, for which a matrix product with the taps is faster than a
    convolution.

    Parameters
    ----------
    layer
        The last convolution, such as "conv3_1".
    like
        A tensor of the type and on the device to work in.
    weights_file
        See `vgg16_weights.load`.
    colour
        Whether images are colour ones, (N, 3, H, W) in the order R, G, B, where the methods below say (N, H, W).
    """

    def __init__(self, layer: str, like: Tensor, weights_file: str = "", *, colour: bool = False) -> None:
        # oneDNN's float32 kernels are at the processor's peak on channels-last images, and far from it on others.
        last = like.device.type == "cpu" and like.dtype == torch.float32
        self._format = torch.channels_last if last else torch.contiguous_format
        weights = vgg16_weights.load(weights_file)
        kept = LAYERS[: LAYERS.index(layer) + 1]
        kernels = [weights[name][0].to(like) for name in kept]
        means = torch.tensor(BGR_MEANS).to(like).view(1, 3, 1, 1)
        ones = -(kernels[0] * means).sum(dim=1, keepdim=True)
        image = kernels[0].flip(1) if colour else kernels[0].sum(dim=1, keepdim=True)
        kernels[0] = torch.cat([image, ones], dim=1)
        self._pooled = [name.endswith("_1") and name != LAYERS[0] for name in kept]
        self._biases = [weights[name][1].to(like) for name in kept]
        self._kernels = [kernel.contiguous(memory_format=self._format) for kernel in kernels]
        # The gradient with respect to a convolution's input is a convolution with the kernel turned by 180 degrees.
        turned = [kernel.flip(2, 3).transpose(0, 1) for kernel in kernels]
        self._turned = [kernel.contiguous(memory_format=self._format) for kernel in turned]
        self._taps = image.flatten(1).mT.contiguous()

    @torch.no_grad()
    @full_precision()
    def features(self, x: Tensor) -> Tensor:
        """Give the layer's output after its ReLU, shape (N, channels, h, w), for grey levels of shape (N, H, W)."""
        return self._forward(x, [])

    @torch.no_grad()
    @full_precision()
    def features_at(self, x: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """Give the same at several layers, up to the network's last one, on one way through it."""
        passed: list[Passed] = []
        self._forward(x, passed)
        return [passed[LAYERS.index(layer)].out for layer in layers]

    @torch.no_grad()
    @full_precision()
    def loss_and_gradient(self, x: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
        """Give the squared distance of each image's features to a target, and its gradient.

        Parameters
        ----------
        x, target
            Grey levels of shape (N, H, W), features of shape (N, channels, h, w).

        Returns
        -------
        loss, gradient
            sum (F(x) - target)^2, shape (N,), float64; and its derivative by x, shape (N, H, W).
        """
        passed: list[Passed] = []
        difference = self._forward(x, passed).sub(target)
        return _squared(difference), self._backward(difference.mul_(2), passed).view_as(x)

    @torch.no_grad()
    @full_precision()
    def loss(self, x: Tensor, target: Tensor) -> Tensor:
        """Give the same loss without its gradient, which takes less than half the time."""
        return _squared(self._forward(x, []).sub_(target))

    @torch.no_grad()
    @full_precision()
    def curvature(self, x: Tensor, direction: Tensor) -> Tensor:
        """Give J'(F(x + direction) - F(x)), shape (N, H, W): with the Jacobian J of the features, nearly J'J direction.

        A step of a grey level or so averages over the kinks of ReLU and pooling on its way.
        """
        passed: list[Passed] = []
        here = self._forward(x, passed)
        return self._backward(self._forward(x + direction, []).sub_(here), passed).view_as(x)

    def _forward(self, x: Tensor, passed: list[Passed]) -> Tensor:
        channels = x if x.ndim == 4 else x[:, None]
        out = torch.cat([channels, torch.ones_like(channels[:, :1])], dim=1).contiguous(memory_format=self._format)
        for kernel, bias, pooled in zip(self._kernels, self._biases, self._pooled, strict=True):
            size, taken = out.shape, None
            if pooled:
                out, taken = F.max_pool2d(out, 2, return_indices=True)
            out = F.conv2d(out, kernel, bias, padding=1).relu_()
            passed.append(Passed(out, taken, size))
        return out

    def _backward(self, gradient: Tensor, passed: list[Passed]) -> Tensor:
        """Carry a gradient with respect to the features, which is overwritten, back to the image."""
        while passed:
            out, taken, size = passed.pop()
            # In place; the product with a mask of truth values takes ten times as long.
            torch.ops.aten.threshold_backward.grad_input(gradient, out, 0, grad_input=gradient)
            if not passed:
                break
            gradient = F.conv2d(gradient, self._turned[len(passed)], padding=1)
            if taken is not None:
                gradient = F.max_unpool2d(gradient, taken, [2, 2], output_size=size[2:])
        return F.fold(self._taps @ gradient.flatten(2), gradient.shape[2:], 3, padding=1)


def _squared(difference: Tensor) -> Tensor:
    """Sum the squares of each image, over the channels of a pixel in the type of the images, over pixels in float64."""
    sums: Tensor = torch.linalg.vector_norm(difference, dim=1).double().square().sum(dim=(1, 2))
    return sums
