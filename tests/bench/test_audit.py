"""The audit of metrics: what it must find, on images whose order is known."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from fusebench.bench.audit import COLUMNS, DAMAGED, TRIVIAL, Verdict, audit, groups, page, table
from fusebench.datasets import phantom
from fusebench.datasets.pair import Entry, Pair
from fusebench.metrics.base import Metric
from fusebench.metrics.profiles import chosen
from torch import Tensor

ENTRIES = phantom.entries(["CT-MRI"], size=64)[:2]


def _of(metric: Metric) -> Verdict:
    (verdict,) = audit(ENTRIES[:1], [metric], lambda *_: None)
    return verdict


def _brightness(a: Tensor, b: Tensor, fused: Tensor, *, mask: Tensor | None = None) -> Tensor:
    del a, b, mask
    return fused.double().mean(dim=(1, 2))


def _from_the_left(a: Tensor, b: Tensor, fused: Tensor) -> Tensor:
    return -((fused.double() - (a.double() + b.double()) / 2)[:, :, :40].square().mean(dim=(1, 2)))


METRIC = partial(Metric, convention="ours", family="error", source="a test", higher_is_better=True)


def test_brightness_is_won_by_the_maximum_and_sees_no_shift() -> None:
    verdict = _of(METRIC(name="brightness", score=_brightness))
    assert verdict.verdict == "rewards no fusion" or "noise" in verdict.damaged
    assert "maximum" in verdict.trivial
    assert verdict.moved["mirrored"] == verdict.moved["transposed"] == verdict.moved["a and b swapped"] == 0


def test_a_metric_of_the_left_half_depends_on_how_the_images_lie() -> None:
    verdict = _of(METRIC(name="left", score=_from_the_left))
    assert verdict.moved["mirrored"] > 0
    assert verdict.trivial == ("average",)
    assert verdict.moved["a and b swapped"] == 0


def test_a_metric_without_a_best_value_is_not_judged() -> None:
    assert audit(ENTRIES, [METRIC(name="none", score=_brightness, higher_is_better=None)], lambda *_: None) == []


@pytest.mark.parametrize(
    ("metric", "image"),
    [
        ("Q_P@zhengliu", "constant"),
        ("FMI_edge@dungdz", "constant"),
        ("Q_CB@vifb", "average, contrast / 8"),
        ("Q_CV@vifb", "average, contrast / 8"),
        ("MI", "maximum"),
        ("SF", "noise"),
        ("MSE", "average"),
    ],
)
def test_what_is_known_of_a_metric_is_found(metric: str, image: str) -> None:
    # Q_P's constants and FMI_edge's windows without an edge are in ADR 2; no image has less error than the average.
    (verdict,) = audit(ENTRIES[:1], chosen(metric), lambda *_: None)
    assert image in (*verdict.trivial, *verdict.damaged)


def test_what_has_no_score_is_not_called_sound() -> None:
    # MS-SSIM's five scales do not fit into 64 x 64 pixels: every score is NaN.
    (verdict,) = audit(ENTRIES[:1], chosen("MS_SSIM"), lambda *_: None)
    assert verdict.verdict == "not measured"
    assert verdict.reasons == ""


def test_a_constant_source_is_named() -> None:
    blank = Pair(torch.zeros(16, 16), torch.rand(16, 16), kind="CT-MRI", name="blank", case=None)
    entry = Entry("CT-MRI", "blank", None, lambda: blank)
    with pytest.raises(ValueError, match="CT-MRI/blank: a source is constant"):
        audit([entry], chosen("SF"), lambda *_: None)


def test_the_page_names_the_images_and_every_metric() -> None:
    metrics = chosen("SSIM,MI")
    text = page(audit(ENTRIES, metrics, lambda *_: None), ENTRIES)
    assert all(name in text for name in (*TRIVIAL, *DAMAGED, *COLUMNS, "2 synthetic pairs: CT-MRI (2)"))
    assert "| MI " in text


def test_the_command_prints_and_writes(command: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    code, out, err = command("audit", "--metrics", "SF,CE@vifb,SSIM", "--pairs", 1, "--out", tmp_path / "audit.md")
    assert code == 0
    assert "rewards damage" in out
    assert f"written: {tmp_path / 'audit.md'}" in err
    assert (tmp_path / "audit.md").read_text(encoding="utf-8").startswith("# Does the metric measure fusion?")


def test_nonsense_gets_one_line(command: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    for arguments, complaint in (
        (["--metrics", "SSMI"], "did you mean"),
        (["--data", tmp_path / "nothing"], "nothing"),
        (["--out", tmp_path / "no" / "audit.md"], "no such folder"),
    ):
        code, _, err = command("audit", *arguments)
        assert code == 2
        assert complaint in err
        assert len(err.strip().splitlines()) == 1


def test_metrics_that_rank_alike_are_a_group() -> None:
    verdicts = audit(ENTRIES[:1], chosen("MSE,RMSE,PSNR,SF"), lambda *_: None)
    # PSNR is a falling function of MSE. RMSE averages the roots of two, which is another order.
    assert groups(verdicts) == [["MSE", "PSNR"]]
    assert "MSE, PSNR" in page(verdicts, ENTRIES[:1])


def test_the_convention_that_ranks_least_alike_is_named() -> None:
    # SSIM@... and the other codes' SSIM rank much alike; of a metric with one convention there is none.
    of_ssim, of_ef = _of(chosen("SSIM")[0]), _of(chosen("Q_M")[0])
    assert of_ssim.convention.startswith("SSIM@")
    assert -1 <= of_ssim.stability <= 1
    assert (of_ef.convention, table([of_ef])[0]["same name, least alike"]) == ("", "")
