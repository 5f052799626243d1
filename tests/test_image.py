"""Reading and writing pictures: every kind of PNG gives the grey levels it holds, and what cannot be read is named."""

from pathlib import Path

import numpy as np
import pytest
import torch
from fusebench.datasets import colour, formats, image, layouts
from fusebench.datasets.reading import Reading, Window
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from matplotlib import colormaps
from PIL import Image

GREY = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10


def save(path: Path, pixels: np.ndarray = GREY, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = Image.fromarray(pixels)
    (picture.convert(mode) if mode else picture).save(path)
    return path


@pytest.mark.parametrize(
    ("pixels", "mode"),
    [(GREY, None), (GREY, "P"), (GREY, "RGB"), (GREY, "LA"), (GREY, "RGBA"), (GREY.astype(np.uint16) * 257, None)],
    ids=["8 bit", "palette", "RGB of equal channels", "grey and opaque alpha", "opaque alpha", "16 bit"],
)
def test_every_grey_file_gives_its_grey_levels(tmp_path: Path, pixels: np.ndarray, mode: str | None) -> None:
    grey, chroma = image.read(save(tmp_path / "x.png", pixels, mode))
    assert chroma is None
    assert grey.dtype == torch.float32
    assert torch.equal((255 * grey.double()).round(), torch.from_numpy(GREY).double())


def test_16_bit_keeps_what_8_bits_would_lose(tmp_path: Path) -> None:
    grey, _ = image.read(save(tmp_path / "x.png", np.array([[0, 1], [32768, 65535]], dtype=np.uint16)))
    assert grey.flatten().tolist() == pytest.approx([0, 1 / 65535, 32768 / 65535, 1], rel=1e-7)


def test_bilevel_files_are_black_and_white(tmp_path: Path) -> None:
    grey, _ = image.read(save(tmp_path / "x.png", GREY > 100))
    assert torch.equal(grey, torch.from_numpy((GREY > 100).astype(np.float32)))


def test_colour_gives_rounded_bt601_luma(tmp_path: Path) -> None:
    rgb = np.zeros((2, 4, 3), dtype=np.uint8)
    rgb[0, :3] = 255 * np.eye(3, dtype=np.uint8)
    rgb[1, 0] = (2, 1, 5)  # 0.598 + 0.587 + 0.570 = 1.755
    grey, chroma = image.read(save(tmp_path / "x.png", rgb))
    # 255 times 0.299, 0.587, 0.114, rounded.
    assert (255 * grey).round().tolist() == [[76, 150, 29, 0], [2, 0, 0, 0]]
    assert chroma is not None


@given(arrays(np.uint8, (3, 3, 3)))
def test_luma_and_chroma_give_the_colour_back_within_a_level(rgb: np.ndarray) -> None:
    back = 255 * colour.join(*colour.split(rgb)).permute(1, 2, 0).numpy()
    # Rounding Y shifts green by up to 0.5 (1 - 0.413) / 0.587 = 0.5; clipping of a saturated chroma adds 0.3.
    assert np.abs(back - rgb).max() <= 1


@given(st.floats(-0.5, 0.5, width=32), st.floats(-0.5, 0.5, width=32))
def test_merged_chroma_lies_between_its_sources(first: float, second: float) -> None:
    merged = colour.merge(torch.full((2, 1, 1), first), torch.full((2, 1, 1), second))
    assert merged is not None
    assert min(first, second) - 1e-6 <= merged[0].item() <= max(first, second) + 1e-6


def test_a_coloured_source_lends_the_pair_its_chroma(tmp_path: Path) -> None:
    rgb = np.zeros((4, 6, 3), dtype=np.uint8)
    rgb[..., 0] = GREY
    pair = formats.read_pair(save(tmp_path / "ct.png"), save(tmp_path / "pet.png", rgb), "CT-PET")
    assert pair.chroma is not None
    assert pair.chroma[1].max() > 0.4


@pytest.mark.parametrize("table", ["hot", "turbo", "viridis", "nipy_spectral", "gray", "CMRmap", "cool", "atlas-pet"])
def test_a_ramp_through_a_colour_table_and_back(table: str) -> None:
    ramp = np.linspace(0, 1, 256)
    rgb = colour._table(table)[None].round().astype(np.uint8)
    # Entries of one 8-bit colour are one; the next is 1/255 away.
    assert np.abs(colour.invert(rgb, table)[0].numpy() - ramp).max() <= 1 / 255 + 1e-6


def test_jet_comes_back_but_for_its_plateaus() -> None:
    rgb = (255 * colormaps["jet"](np.arange(256))[None, :, :3]).round().astype(np.uint8)
    # Up to four entries next to each other are one colour.
    assert np.abs(255 * colour.invert(rgb, "jet")[0].numpy() - np.arange(256)).max() <= 3


@given(st.data())
def test_noise_on_the_colours_moves_the_scalar_little(data: st.DataObject) -> None:
    table = data.draw(st.sampled_from(["hot", "atlas-pet", "atlas-spect", "turbo"]))
    place = data.draw(st.integers(0, 255))
    noise = data.draw(st.tuples(*[st.integers(-3, 3)] * 3))
    colours = colour._table(table)
    rgb = (colours[place] + noise).clip(0, 255).round().astype(np.uint8)
    found = round(255 * colour._nearest(rgb[None, None], table)[0].item())
    # No further in colour than the place it came from.
    assert np.linalg.norm(colours[found] - rgb) <= np.linalg.norm(colours[place] - rgb) + 1e-9


@pytest.mark.parametrize("table", ["twilight", "flag", "tab10", "no such table"])
def test_tables_that_cannot_be_inverted_are_refused(table: str) -> None:
    with pytest.raises(ValueError, match=table):
        Reading(table=table)


def test_a_coloured_source_becomes_the_scalar_it_shows(tmp_path: Path) -> None:
    # Luma falls from yellow to red; uptake rises.
    rgb = colour._table("atlas-pet")[[0, 126, 190, 255]].round().astype(np.uint8)[None].repeat(2, axis=0)
    pet, ct = save(tmp_path / "pet.png", rgb), save(tmp_path / "ct.png", GREY[:2, :4])
    pair = formats.read_pair(ct, pet, "CT-PET", reading=Reading(table="atlas-pet"))
    assert (255 * pair.b[0]).round().tolist() == [0, 126, 190, 255]
    assert pair.chroma is None
    luma = formats.read_pair(ct, pet, "CT-PET").b[0]
    assert luma[2] < luma[1]
    with pytest.raises(ValueError, match=r"pet.png: .*not coloured by the table hot: .*atlas-pet would fit"):
        formats.read_pair(ct, pet, "CT-PET", reading=Reading(table="hot"))


def test_real_pseudo_colour_is_of_the_atlas_tables(shared: Path) -> None:
    for kind, table in (("PET-MRI", "atlas-pet"), ("SPECT-MRI", "atlas-spect"), ("CT-SPECT", "atlas-spect")):
        entries = layouts.entries(shared / "data" / "medical" / kind, Reading(table=table))
        for path in (path for entry in entries[::9] for path in layouts.files(entry) if formats.depth(path) == "3 x 8"):
            with Image.open(path) as picture:
                # The 128 colours of one table and the 40 of another are that far off 256.
                assert colour._nearest(np.asarray(picture), table)[1] < 2
        assert not any(entry.read().coloured for entry in entries[::9])


def test_12_bits_in_16_and_real_numbers_need_a_window(tmp_path: Path) -> None:
    twelve = save(tmp_path / "x.png", np.array([[0, 1024], [2048, 4095]], dtype=np.uint16))
    grey, _ = image.read(twelve, Window(0, 4095))
    assert grey.flatten().tolist() == pytest.approx([0, 1024 / 4095, 2048 / 4095, 1])
    for dtype in (np.float32, np.int32):
        real = save(tmp_path / "x.tif", np.array([[-1, 0], [1, 3]], dtype=dtype))
        assert image.read(real, Window(-1, 1))[0].flatten().tolist() == [0, 0.5, 1, 1]


def test_sizes_that_differ_name_both_files(tmp_path: Path) -> None:
    first, second = save(tmp_path / "a.png"), save(tmp_path / "b.png", GREY[:3])
    with pytest.raises(ValueError, match=r"a.png is 4 x 6 but .*b.png is 3 x 6"):
        formats.read_pair(first, second, "x")


def test_damaged_files_are_named(tmp_path: Path) -> None:
    whole = save(
        tmp_path / "whole.png", np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    ).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("this is no image")
    (tmp_path / "nothing.png").write_bytes(b"")
    for name in ("cut", "text", "nothing"):
        with pytest.raises(ValueError, match=rf"{name}.png: cannot be read as PNG"):
            image.read(tmp_path / f"{name}.png")
    with pytest.raises(ValueError, match=r"gone.png: no such file"):
        image.read(tmp_path / "gone.png")
    with pytest.raises(ValueError, match="is a folder"):
        image.read(tmp_path)


def test_pixels_without_a_stated_range_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"x.tif: .*32 bits a pixel"):
        image.read(save(tmp_path / "x.tif", GREY.astype(np.float32)))
    with pytest.raises(ValueError, match="transparent"):
        image.read(save(tmp_path / "x.png", np.zeros((4, 6, 4), dtype=np.uint8)))


def test_files_that_would_be_misread_are_refused(tmp_path: Path) -> None:
    pages = [Image.fromarray(GREY), Image.fromarray(GREY)]
    pages[0].save(tmp_path / "pages.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match=r"pages.tif.*it holds 2 images"):
        image.read(tmp_path / "pages.tif")
    Image.fromarray(GREY.astype(np.uint16)).save(tmp_path / "white.tif", tiffinfo={262: 0})
    with pytest.raises(ValueError, match=r"white.tif.*white as zero"):
        image.read(tmp_path / "white.tif")


def test_a_decompression_bomb_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(tmp_path / "x.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 20)
    with pytest.raises(ValueError, match=r"x.png: .*bomb"):
        image.read(path)


@given(st.binary(max_size=200), st.sampled_from([b"", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"\xff\xd8\xff"]))
def test_no_bytes_make_the_reader_fail_otherwise(
    tmp_path_factory: pytest.TempPathFactory, body: bytes, magic: bytes
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "x.png"
    path.write_bytes(magic + body)
    try:
        image.read(path)
    except ValueError as error:
        assert "x.png" in str(error)  # noqa: PT017  most inputs raise, a few may be images


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    for name in ("x.png", "x.tif", "x.bmp"):
        image.write(torch.from_numpy(GREY), tmp_path / name)
        assert torch.equal((255 * image.read(tmp_path / name)[0]).round(), torch.from_numpy(GREY).float())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.bmp", "x.png", "x.tif"]


def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "dir.png").mkdir()
    with pytest.raises(ValueError, match=r"dir.png: is a folder"):
        image.write(torch.from_numpy(GREY), tmp_path / "dir.png")
    with pytest.raises(OSError, match=r"gone/x.png"):
        image.write(torch.from_numpy(GREY), tmp_path / "gone" / "x.png")
    assert [path.name for path in tmp_path.iterdir()] == ["dir.png"]


def test_a_lossy_file_is_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without loss"):
        image.write(torch.from_numpy(GREY), tmp_path / "x.jpg")
