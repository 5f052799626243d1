"""The embedded pairs: what a radiologist would check, at the constants they were made with."""

import numpy as np
import pytest
import torch
from fusebench.datasets import phantom


@pytest.fixture(scope="module")
def truth() -> dict[str, np.ndarray]:
    """Give where z = 20 holds purely grey matter, white matter and air, on the pixels of the images."""
    head = phantom._head()
    z = slice(head.origin + 20, head.origin + 21)
    return {
        "grey": phantom._axial(phantom._middle(head.grey[..., z] > 250)) > 0,
        "white": phantom._axial(phantom._middle(head.white[..., z] > 250)) > 0,
        "table": phantom._axial(phantom._middle((head.distance[..., z] > 2.5) & (head.distance[..., z] < 3.5))) > 0,
        "air": phantom._axial(phantom._middle(head.distance[..., z] > 30)) > 0,
    }


def test_every_pair_is_a_pair_and_says_it_is_synthetic() -> None:
    entries = phantom.entries()
    assert len({(e.kind, e.name) for e in entries}) == len(entries) == 3 * 101
    for entry in entries[::37]:
        pair = entry.read()
        assert pair.synthetic
        assert pair.size == (256, 256)
        assert (pair.kind, pair.name, pair.case) == (entry.kind, entry.name, entry.case)


def test_a_slice_is_the_same_each_time_and_its_neighbour_has_other_noise() -> None:
    one, again, other = phantom.pair("CT-PET", 20), phantom.pair("CT-PET", 20), phantom.pair("CT-PET", 21)
    assert torch.equal(one.a, again.a)
    assert torch.equal(one.b, again.b)
    assert not torch.equal(one.b, other.b)


def test_both_modalities_show_one_head() -> None:
    # Whatever differs between scanners, the same pixels lie inside the head.
    pair = phantom.pair("CT-MRI", 20)
    inside = [(image > 0.2).float().mean().item() for image in (pair.a, pair.b)]
    assert inside[0] == pytest.approx(inside[1], rel=0.25)


def test_ct_shows_tissues_at_their_hounsfield_units(truth: dict[str, np.ndarray]) -> None:
    ct = phantom.pair("CT-MRI", 20).a.numpy()
    # Brain window: 0 HU is black, 80 HU white. The blur mixes neighbours in, by a unit or two.
    assert 80 * ct[truth["grey"]].mean() == pytest.approx(39, abs=2)
    assert 80 * ct[truth["white"]].mean() == pytest.approx(29, abs=2)
    assert ct[truth["table"]].mean() > 0.95
    assert ct[truth["air"]].max() == 0


def test_mri_is_t1_weighted(truth: dict[str, np.ndarray]) -> None:
    mri = phantom.pair("CT-MRI", 20).b.numpy()
    assert mri[truth["white"]].mean() > mri[truth["grey"]].mean() > 4 * mri[truth["table"]].mean()


def test_emission_is_coarser_and_noisier_in_spect(truth: dict[str, np.ndarray]) -> None:
    pair = phantom.pair("PET-SPECT", 20)
    contrast = [
        image.numpy()[truth["grey"]].mean() / image.numpy()[truth["white"]].mean() for image in (pair.a, pair.b)
    ]
    # 4 : 1 before the scanner; its blur lowers the contrast, the wider one further.
    assert 4 > contrast[0] > contrast[1] > 1


def test_emission_counts_its_uptake() -> None:
    # A blur and a filter move activity and do not make any: total uptake survives, but for the image's edge.
    head = phantom._head()
    slab = head.slab(20, phantom.SPECT.resolution)
    expected = phantom._middle(head.mix(slab, "uptake", 0.0)).sum() / phantom.GREY.uptake
    assert phantom.pair("PET-SPECT", 20).a.sum().item() == pytest.approx(expected, rel=0.05)


def test_a_small_pair_is_the_mean_of_the_large_one() -> None:
    small, large = phantom.pair("CT-MRI", 20, 64), phantom.pair("CT-MRI", 20)
    assert torch.allclose(small.a, torch.nn.functional.avg_pool2d(large.a[None], 4)[0], atol=1e-6)


@pytest.mark.parametrize(("kind", "size"), [("CT", 256), ("CT-XRAY", 256), ("CT-MRI", 100), ("CT-MRI", 1)])
def test_what_cannot_be_simulated_is_refused(kind: str, size: int) -> None:
    with pytest.raises(ValueError, match=r"kind of pair|divisor"):
        phantom.entries([kind], size)
