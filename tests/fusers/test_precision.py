"""The guard over the networks: witnesses are the settings that a layer sees."""

import threading
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from fusebench.datasets.pair import Pair
from fusebench.fusers.base import Fuser, label
from fusebench.fusers.neural.multifocus import MultiFocusCNN
from fusebench.fusers.neural.pixel_cnn import PixelCNN
from fusebench.fusers.neural.precision import _switches, full_precision
from fusebench.fusers.neural.support_value_cnn import SupportValueCNN
from fusebench.fusers.neural.vgg16 import VGG16LBFGS


def settings() -> list[Any]:
    return [getattr(place, name) for place, name, _ in _switches()]


OURS = [value for _, _, value in _switches()]


@pytest.mark.parametrize(
    "fuser",
    [
        MultiFocusCNN(),
        PixelCNN(),
        SupportValueCNN(),
        VGG16LBFGS(rounds=1, iterations=2, solver="protocol"),
        VGG16LBFGS(layer="conv2_1", rounds=1, iterations=2, smooth=0.1),
    ],
    ids=label,
)
def test_every_convolution_of_a_network_sees_full_precision(
    fuser: Fuser, pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, seen = settings(), []
    # PyTorch's default is TF32 in the convolutions of a GPU; this is the fault.
    assert before != OURS
    for name in ("conv2d", "conv_transpose2d", "fold"):
        function = getattr(F, name)
        monkeypatch.setattr(F, name, lambda *args, f=function, **more: seen.append(settings()) or f(*args, **more))
    fuser(pair.a[None], pair.b[None])
    assert len(seen) >= 8
    assert all(each == OURS for each in seen)
    assert settings() == before


def test_what_was_set_is_set_again_after_an_error_and_after_other_threads() -> None:
    before = settings()
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with full_precision():
            entered.set()
            leave.wait()

    other = threading.Thread(target=hold)
    with pytest.raises(ZeroDivisionError), full_precision():  # noqa: PT012  what is raised inside
        other.start()
        entered.wait()
        raise ZeroDivisionError
    # The other thread is inside still.
    assert settings() == OURS
    leave.set()
    other.join()
    assert settings() == before


def test_what_the_user_has_set_is_set_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = settings()
    with full_precision():
        assert settings() == OURS
    assert settings() == before
