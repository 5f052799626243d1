"""NIfTI: slices of two volumes on the grid of the first, against nibabel's resampling and affines known by hand."""

import gzip
import pickle
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch
from fusebench.bench.engine import run
from fusebench.bench.paper import FIGURES
from fusebench.bench.suite import Table, select
from fusebench.datasets import formats, layouts, nifti, volumes
from fusebench.datasets.reading import AS_STATED, Reading, Window
from fusebench.fusers.pixel.trivial import Average
from fusebench.metrics.spatial_frequency import SF
from fusebench.reports import figures, results, tables
from nibabel.processing import resample_from_to
from scipy.ndimage import gaussian_filter

Write = Callable[..., Path]
RANGE = Window(0, 100)


def voxels(shape: tuple[int, int, int], seed: int = 0) -> np.ndarray:
    """Give smooth values from 0 to 100."""
    noise = gaussian_filter(np.random.default_rng(seed).random(shape), 2)
    return (100 * (noise - noise.min()) / np.ptp(noise)).astype(np.float32)


def read(first: Path, second: Path, index: int, **options: str) -> tuple[torch.Tensor, torch.Tensor]:
    return shown(first, second, index, Reading({"a": RANGE, "b": RANGE}, **options))


def facing(slab: np.ndarray) -> np.ndarray:
    """Turn voxels (right, front) to the image that a radiologist sees: the front up and the right at the left."""
    return np.rot90(slab)[:, ::-1]


def shown(first: Path, second: Path, index: int, reading: Reading = AS_STATED) -> tuple[torch.Tensor, torch.Tensor]:
    return volumes.read(nifti.volume(first), nifti.volume(second), index, reading=reading)


def test_an_axial_slice_has_the_front_up_and_the_left_at_the_right(tmp_path: Path, write_nifti: Write) -> None:
    volume = np.zeros((3, 4, 5), dtype=np.uint8)
    volume[0, 3, 2] = 255  # left, front
    path = write_nifti(tmp_path / "x.nii", volume)
    for index, white in ((2, [[0, 2]]), (1, [])):
        a, b = shown(path, path, index)
        assert torch.equal(shown(path, path, index, Reading(orientation="neurological"))[0], a.fliplr())
        assert (a == 1).nonzero().tolist() == white
        assert torch.equal(a, b)
        assert a.shape == (4, 3)


@pytest.mark.parametrize(
    ("axis", "index", "size", "place"),
    [("axial", 3, (5, 4), [4, 2]), ("coronal", 0, (6, 4), [2, 2]), ("sagittal", 1, (6, 5), [2, 4])],
)
def test_an_axis_is_that_of_the_patient_whatever_the_order_in_the_file(
    tmp_path: Path, write_nifti: Write, axis: str, index: int, size: tuple[int, int], place: list[int]
) -> None:
    # 4 voxels to the right, 5 to the front, 6 up; one of them is white. The file holds them from above, then right to
    # left, then back to front.
    volume = np.zeros((4, 5, 6), dtype=np.uint8)
    volume[1, 0, 3] = 255
    stored = volume.transpose(2, 0, 1)[::-1, ::-1]
    affine = np.array([[0, -1, 0, 3], [0, 0, 1, 0], [-1, 0, 0, 5], [0, 0, 0, 1]])
    path = write_nifti(tmp_path / "x.nii.gz", stored, affine)
    a, b = shown(path, path, index, Reading(axis=axis))
    assert (
        len(volumes.numbers(nifti.volume(path), Reading(axis=axis))) == {"sagittal": 4, "coronal": 5, "axial": 6}[axis]
    )
    assert a.shape == size
    assert (a == 1).nonzero().tolist() == [place]
    assert torch.equal(a, b)


@pytest.mark.parametrize(("interpolation", "order"), [("nearest", 0), ("linear", 1), ("cubic", 3)])
def test_the_second_is_resampled_as_nibabel_does(
    tmp_path: Path, write_nifti: Write, interpolation: str, order: int
) -> None:
    tilted = np.array([[0.8, 0.1, 0, -1.3], [-0.1, 0.9, 0.05, 0.7], [0, -0.05, 1.2, -2], [0, 0, 0, 1]])
    first = write_nifti(tmp_path / "a.nii", voxels((12, 14, 10)))
    second = write_nifti(tmp_path / "b.nii.gz", voxels((15, 13, 9), 1), tilted)
    expected = resample_from_to(nibabel.load(second), nibabel.load(first), order=order, cval=0).get_fdata()
    covered = 0
    for index in range(10):
        _, b = read(first, second, index, interpolation=interpolation)
        # nibabel's cubic overshoots the window, which ours ends at; the float32 spline coefficients cost 1e-6.
        assert b.numpy() == pytest.approx(facing(expected[..., index]).clip(0, 100) / 100, abs=1e-5)
        covered += int((b > 0).sum())
    assert covered > 500


def test_a_volume_on_the_same_grid_is_untouched_to_its_border(tmp_path: Path, write_nifti: Write) -> None:
    # An affine with third parts: its inverse is not exact, and the border must not fall outside.
    affine = np.array([[-1 / 3, 0.01, 0, 17.7], [0, 1 / 3, 0, -9.1], [0.02, 0, 1 / 7, 4.3], [0, 0, 0, 1]])
    values = voxels((9, 8, 7))
    path, copy = write_nifti(tmp_path / "a.nii", values, affine), write_nifti(tmp_path / "b.nii", values, affine)
    for index in range(7):
        a, b = read(path, copy, index)
        assert torch.allclose(a, b, rtol=0, atol=1e-6)


def test_outside_the_second_volume_is_black(tmp_path: Path, write_nifti: Write) -> None:
    first = write_nifti(tmp_path / "a.nii", voxels((6, 6, 6)))
    away = np.eye(4)
    away[0, 3] = 3
    second = write_nifti(tmp_path / "b.nii", np.full((6, 6, 6), 50, np.float32), away)
    _, b = shown(first, second, 2, Reading({"a": RANGE, "b": Window(-100, 100)}))
    assert b[:, 3:].unique().tolist() == [0]
    assert b[:, :3].unique().tolist() == [0.75]


def test_grey_levels_come_from_a_window_that_is_stated(tmp_path: Path, write_nifti: Write) -> None:
    values = np.arange(-50, 75, dtype=np.int16).reshape(5, 5, 5)
    path = write_nifti(tmp_path / "ct.nii", values)
    with pytest.raises(ValueError, match=r"ct.nii: .*--window MODALITY=CENTER,WIDTH or MODALITY=auto"):
        shown(path, path, 0)
    low, high = np.percentile(values, [0.5, 99.5])
    expected = facing(((values[..., 1] - low) / (high - low)).clip(0, 1))
    auto = Reading({"a": "auto", "b": "auto"})
    assert shown(path, path, 1, auto)[0].numpy() == pytest.approx(expected, abs=1e-6)
    stated = write_nifti(tmp_path / "stated.nii", values, cal_min=-50, cal_max=74)
    expected = facing((values[..., 1] + 50) / 124)
    assert shown(stated, stated, 1)[1].numpy() == pytest.approx(expected, abs=1e-6)


def test_a_scale_in_the_header_counts(tmp_path: Path, write_nifti: Write) -> None:
    image = nibabel.Nifti1Image(np.arange(8, dtype=np.int16).reshape(2, 2, 2), np.eye(4))
    image.header.set_slope_inter(10, -20)
    image.to_filename(tmp_path / "x.nii")
    a, _ = read(tmp_path / "x.nii", tmp_path / "x.nii", 1)
    # 10 n - 20 for n = 7, 3 (front) and 5, 1, of which -10 is black.
    assert a.numpy() == pytest.approx(np.array([[0.5, 0.1], [0.3, 0]]))
    del write_nifti


def test_a_file_that_changed_is_read_anew(tmp_path: Path, write_nifti: Write) -> None:
    path = write_nifti(tmp_path / "x.nii", np.zeros((4, 4, 4), np.uint8))
    assert shown(path, path, 0)[0].max() == 0
    write_nifti(path, np.full((4, 4, 4), 255, np.uint8))
    assert shown(path, path, 0)[0].min() == 1


def test_volumes_in_folders_are_cases_of_slices(tmp_path: Path, write_nifti: Write) -> None:
    for seed, (modality, shape) in enumerate((("CT", (8, 8, 12)), ("MRI", (9, 8, 7)))):
        write_nifti(tmp_path / "CT-MRI" / modality / "16012.nii.gz", voxels(shape, seed))
    reading = Reading({"CT": RANGE, "MRI": "auto"})
    entries = layouts.entries(tmp_path, reading)
    assert [entry.name for entry in entries] == [f"16012#{k}" for k in range(12)]
    assert {entry.case for entry in entries} == {"16012"}
    assert len(layouts.entries(tmp_path, Reading(reading.windows, "coronal"))) == 8
    # What is sent to another process.
    pair = pickle.loads(pickle.dumps(entries[3].read))()  # noqa: S301  of this process
    assert (pair.name, pair.case, pair.modalities, pair.size) == ("16012#3", "16012", ("CT", "MRI"), (8, 8))
    assert torch.equal(pair.b, entries[3].read().b)


def test_slices_are_fused_scored_and_shown(tmp_path: Path, write_nifti: Write) -> None:
    for seed, modality in enumerate(("CT", "MRI")):
        write_nifti(tmp_path / "CT-MRI" / modality / "brain.nii.gz", voxels((8, 9, 5), seed))
    entries = layouts.entries(tmp_path, Reading({"CT": RANGE, "MRI": RANGE}))
    run.run({"table2": Table("x", (Average(),), select(entries, 2), (SF,))}, tmp_path / "out", name="x")
    assert {path.name for path in (tmp_path / "out").rglob("brain*")} == {"brain#1.png", "brain#2.png"}
    (text,) = tables.write(results.read(tmp_path / "out"))
    assert "2 pairs, 1 case" in text
    assert figures.write(results.read(tmp_path / "out"), FIGURES)


def test_a_typo_in_a_modality_is_told(tmp_path: Path, write_nifti: Write) -> None:
    for modality in ("CT", "MRI"):
        write_nifti(tmp_path / "CT-MRI" / modality / "x.nii", voxels((4, 4, 4)))
    with pytest.raises(ValueError, match=r"--window ct: no such modality in .*; it holds CT, MRI"):
        layouts.entries(tmp_path, Reading({"ct": RANGE}))


def test_a_slice_is_named_and_a_volume_pairs_with_a_volume(tmp_path: Path, write_nifti: Write) -> None:
    path = write_nifti(tmp_path / "x.nii", voxels((4, 4, 6)))
    (tmp_path / "x.png").touch()
    with pytest.raises(ValueError, match=r"x.nii: a volume; name one of its axial slices: .*x.nii#0 to #5"):
        formats.read_pair(path, path, "x")
    with pytest.raises(ValueError, match=r"no slice 6; axial slices run from 0 to 5"):
        formats.read_pair(Path(f"{path}#6"), path, "x", reading=Reading({"a": RANGE, "b": RANGE}))
    with pytest.raises(ValueError, match=r"x.nii#3: .*slice 2 of the first"):
        formats.read_pair(Path(f"{path}#2"), Path(f"{path}#3"), "x")
    with pytest.raises(ValueError, match=r"x.png: no volume; a volume pairs with a volume"):
        formats.read_pair(Path(f"{path}#2"), tmp_path / "x.png", "x")


def header(path: Path, offset: int, kind: str, *values: float) -> Path:
    content = bytearray(path.read_bytes())
    data = np.array(values, kind).tobytes()
    content[offset : offset + len(data)] = data
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    ("offset", "kind", "values", "complaint"),
    [
        (40, "<i2", (4, 4, 4, 4, 3), "claims 3 volumes of 4 x 4 x 4 voxels"),
        (40, "<i2", (2, 4, 4), "three dimensions"),
        (40, "<i2", (3, 4, -4, 4), ""),
        (40, "<i2", (3, 30000, 30000, 30000), "at most 268435456"),
        (40, "<i2", (3, 500, 500, 500), "claims 500 x 500 x 500 voxels of .* in a file of"),
        (70, "<i2", (32, 64), "real numbers"),
        (70, "<i2", (128, 24), "an RGB volume, datatype 128"),
        (70, "<i2", (2304, 32), "an RGBA volume, datatype 2304"),
        (70, "<i2", (77, 8), ""),
        (280, "<f4", (0,) * 12, "places no volume"),
        (280, "<f4", (np.nan,) * 12, "places no volume"),
        (108, "<f4", (1e9,), ""),
        (108, "<f4", (np.nan,), ""),
        (112, "<f4", (1e38, 0), "NaN or infinite"),
        (344, "<i4", (7,), "not a NIfTI file"),
    ],
)
def test_absurd_headers_are_refused_by_name(
    tmp_path: Path, write_nifti: Write, offset: int, kind: str, values: tuple[float, ...], complaint: str
) -> None:
    path = header(write_nifti(tmp_path / "x.nii", voxels((4, 4, 4)), np.diag([1, 1, 1, 1])), offset, kind, *values)
    if offset == 280:
        header(path, 254, "<i2", 1)
    with pytest.raises(ValueError, match=rf"x\.nii: .*{complaint}"):
        read(path, path, 0)


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_a_volume_of_several_is_named(tmp_path: Path, write_nifti: Write, packed: str) -> None:
    values = np.stack([voxels((6, 7, 5), seed) for seed in range(3)], axis=-1)
    whole = write_nifti(tmp_path / f"pet.nii{packed}", values)
    single = write_nifti(tmp_path / "ct.nii", values[..., 0])
    for n in range(3):
        expected = read(single, write_nifti(tmp_path / "one.nii", values[..., n]), 2)
        for got in (read(single, whole, 2, volume=n), read(whole, single, 2, volume=n)[::-1]):
            assert all(torch.equal(x, y) for x, y in zip(got, expected, strict=True))
    with pytest.raises(ValueError, match=rf"pet.nii{packed}: .*3 volumes; name one with --volume N, from 0 to 2"):
        read(single, whole, 2)
    with pytest.raises(ValueError, match=r"pet.nii.*: no volume 3; they run from 0 to 2"):
        read(single, whole, 2, volume=3)
    with pytest.raises(ValueError, match=r"it has 5 dimensions, 6 x 7 x 5 x 1 x 3"):
        nifti.volume(write_nifti(tmp_path / "vectors.nii", values[..., None, :]))


def test_nan_is_background_where_that_is_asked_for(tmp_path: Path, write_nifti: Write) -> None:
    values = voxels((6, 7, 5)) + 50
    holes = np.random.default_rng(2).random(values.shape) < 0.2
    path = write_nifti(tmp_path / "x.nii", np.where(holes, np.float32("nan"), values))
    with pytest.raises(ValueError, match=r"x.nii: .*NaN or infinite; --nan-background takes NaN as background"):
        read(path, path, 2)
    black = facing(np.where(holes, 0, values.clip(0, 100) / 100)[..., 2])
    for interpolation in ("nearest", "linear", "cubic"):
        for grey in read(path, path, 2, nan_background=True, interpolation=interpolation):
            assert grey.numpy() == pytest.approx(black, abs=1e-5)
    low, high = np.percentile(values[~holes], [0.5, 99.5])
    auto = Reading({"a": "auto", "b": "auto"}, nan_background=True)
    expected = facing(np.where(holes, 0, ((values - low) / (high - low)).clip(0, 1))[..., 2])
    for grey in shown(path, path, 2, auto):
        assert grey.numpy() == pytest.approx(expected, abs=1e-5)
    worse = write_nifti(tmp_path / "y.nii", np.where(holes, np.float32("inf"), values))
    with pytest.raises(ValueError, match=r"y.nii: .*NaN or infinite\)"):
        read(path, worse, 2, nan_background=True)


@pytest.mark.parametrize("suffix", [".mgh", ".mgz"])
def test_mgh_is_placed_as_nifti_is(tmp_path: Path, write_nifti: Write, suffix: str) -> None:
    values = voxels((6, 7, 5))
    coronal = np.array([[-1.0, 0, 0, 3], [0, 0, 1, -2], [0, -1, 0, 4], [0, 0, 0, 1]])  # FreeSurfer's own
    path = tmp_path / f"x{suffix}"
    nibabel.MGHImage(values, coronal).to_filename(path)
    same = write_nifti(tmp_path / "x.nii", values, coronal)
    assert formats.depth(path) == "float32"
    for axis in ("axial", "coronal", "sagittal"):
        for a, b in zip(read(path, same, 2, axis=axis), read(same, path, 2, axis=axis), strict=True):
            assert torch.allclose(a, b, rtol=0, atol=1e-6)
    content = bytearray((gzip.decompress if suffix == ".mgz" else bytes)(path.read_bytes()))
    content[28:30] = 0, 0
    path.write_bytes(content)  # whether it is packed its bytes say
    assert formats.compare(path, same) == ["no place is stated (goodRASFlag is 0), so that voxels pair by their index"]
    cut = path.read_bytes()[:-200]
    path.write_bytes(cut)
    with pytest.raises(ValueError, match=rf"x{suffix}: cannot be read as MGH"):
        read(path, same, 2)


@pytest.mark.parametrize("packed", ["", ".gz"])
def test_a_volume_is_told_by_its_bytes(tmp_path: Path, write_nifti: Write, packed: str) -> None:
    for modality in ("CT", "MRI"):
        path = write_nifti(tmp_path / "K" / modality / f"x.nii{packed}", voxels((6, 7, 5)))
        expected = read(path, path, 2)
        path.rename(path.with_name("brain"))
    entries = layouts.entries(tmp_path, Reading({"CT": RANGE, "MRI": RANGE}))
    assert [entry.name for entry in entries] == [f"brain#{k}" for k in range(5)]
    assert torch.equal(entries[2].read().a, expected[0])


def test_a_header_and_its_voxels_may_be_two_files(tmp_path: Path, write_nifti: Write) -> None:
    values = voxels((8, 9, 5))
    whole = write_nifti(tmp_path / "whole.nii", values)
    for modality in ("CT", "MRI"):
        (tmp_path / "CT-MRI" / modality).mkdir(parents=True)
        nibabel.Nifti1Pair(values, np.eye(4)).to_filename(tmp_path / "CT-MRI" / modality / "x.hdr")
    entries = layouts.entries(tmp_path, Reading({"CT": RANGE, "MRI": RANGE}))
    assert [entry.name for entry in entries] == [f"x#{k}" for k in range(5)]
    expected = read(whole, whole, 2)
    assert torch.equal(entries[2].read().a, expected[0])
    assert torch.equal(entries[2].read().b, expected[1])
    part = tmp_path / "CT-MRI" / "MRI" / "x.img"
    assert torch.equal(read(part, whole, 2)[0], expected[0])
    part.write_bytes(part.read_bytes()[:-4])
    with pytest.raises(ValueError, match=r"x\.hdr: .*claims 8 x 9 x 5 voxels"):
        entries[2].read()
    part.unlink()
    with pytest.raises(ValueError, match=r"x\.hdr: .*x\.img"):
        entries[2].read()
    part.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=r"x\.hdr: a link that leads out"):
        layouts.entries(tmp_path)


def unplaced(path: Path) -> Path:
    """Take from a header both codes that say where its volume lies."""
    return header(path, 252, "<i2", 0, 0)


@pytest.mark.parametrize("lost", [(1,), (0,), (0, 1)])
def test_without_a_stated_place_voxels_pair_by_their_index(
    tmp_path: Path, write_nifti: Write, lost: tuple[int, ...]
) -> None:
    values = voxels((6, 7, 5))
    flipped = np.diag([-1.0, 1, 1, 1])  # x from right to left in the first, in the second not known
    paths = [write_nifti(tmp_path / "K" / m / "x.nii", values, flipped) for m in ("A", "B")]
    for n in lost:
        unplaced(paths[n])
    said: list[str] = []
    reading = Reading({"A": RANGE, "B": RANGE})
    for entry in layouts.entries(tmp_path, reading, said.append):
        pair = entry.read()
        assert torch.allclose(pair.a, pair.b, rtol=0, atol=1e-6)
    remark = "no place is stated (qform_code and sform_code are 0), so that voxels pair by their index"
    assert said == [f"K/x: {remark}"]
    said.clear()
    formats.read_pair(Path(f"{paths[0]}#2"), paths[1], "K", ("A", "B"), reading, say=said.append)
    assert said == [f"{paths[0]}, {paths[1]}: {remark}"]
    unplaced(write_nifti(paths[1], voxels((6, 7, 4)), flipped))
    with pytest.raises(ValueError, match=r"x\.nii: .*says not where it lies .*6 x 7 x 5 voxels, .* 6 x 7 x 4"):
        layouts.entries(tmp_path, reading)


def test_two_places_that_disagree_are_said(tmp_path: Path, write_nifti: Write) -> None:
    values = voxels((6, 7, 5))
    first, second = (write_nifti(tmp_path / "K" / m / "x.nii", values) for m in ("A", "B"))
    image = nibabel.Nifti1Image(values, np.eye(4))
    moved = np.eye(4)
    moved[2, 3] = 1  # a slice higher
    for place, said_of_it in (
        (np.eye(4), []),
        (moved, ["the sform and the qform of the second volume are up to 1 mm apart; the sform counts"]),
    ):
        image.set_sform(place, code=1)
        image.set_qform(np.eye(4), code=1)
        image.to_filename(second)
        assert formats.compare(first, second) == said_of_it
    said: list[str] = []
    entries = layouts.entries(tmp_path, Reading({"A": RANGE, "B": RANGE}), said.append)
    assert said == ["K/x: the sform and the qform of the second volume are up to 1 mm apart; the sform counts"]
    assert torch.allclose(entries[2].read().a, read(first, first, 2)[0])
    assert torch.allclose(entries[2].read().b, read(first, first, 1)[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize(("code", "in_mm"), [(1, 0.001), (2, 1), (3, 1000), (0, 1)])
def test_units_are_converted(tmp_path: Path, write_nifti: Write, code: int, in_mm: float) -> None:
    values = voxels((6, 7, 5))
    first = write_nifti(tmp_path / "a.nii", values)
    second = header(write_nifti(tmp_path / "b.nii", values, np.diag([in_mm, in_mm, in_mm, 1])), 123, "u1", code)
    for pair in ((first, second), (second, first)):
        a, b = read(*pair, 2)
        assert torch.allclose(a, b, rtol=0, atol=1e-5)
        assert a.std() > 0
