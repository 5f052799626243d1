"""Reading and writing pictures: every kind of PNG gives the grey levels it holds, and what cannot be read is named."""

from pathlib import Path
from typing import Any

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


TURNS = {  # of EXIF's orientations, what has to be done to see the image upright
    1: lambda x: x,
    2: np.fliplr,
    3: lambda x: np.rot90(x, 2),
    4: np.flipud,
    5: np.transpose,
    6: lambda x: np.rot90(x, -1),
    7: lambda x: np.rot90(x, 2).T,
    8: np.rot90,
}


@pytest.mark.parametrize("orientation", TURNS)
@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.tif"])
def test_an_image_that_says_which_way_up_it_is_is_turned(tmp_path: Path, name: str, orientation: int) -> None:
    blocks = np.kron(np.array([[0, 80, 160], [240, 40, 200]], dtype=np.uint8), np.ones((8, 8), dtype=np.uint8))
    for pixels, channels in ((blocks, False), (np.stack([blocks, blocks // 2, 255 - blocks], axis=-1), True)):
        picture = Image.fromarray(pixels)
        plain, turned = tmp_path / f"plain-{name}", tmp_path / name
        picture.save(plain)
        exif = Image.Exif()
        exif[274] = orientation
        picture.save(turned, exif=exif)
        expected = TURNS[orientation](image.read(plain)[0].numpy())
        assert np.array_equal(image.read(turned)[0].numpy(), expected)
        if channels:
            assert image.channels(turned).shape[1:] == expected.shape


def test_a_grey_image_stored_as_colour_is_grey_to_a_window_too(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", GREY, "RGB")
    assert torch.equal(image.read(path, Window(40, 120))[0], image.read(save(tmp_path / "g.png"), Window(40, 120))[0])
    coloured = np.stack([GREY, GREY, GREY + 1], axis=-1)
    with pytest.raises(ValueError, match="a coloured image; a window is for grey ones"):
        image.read(save(tmp_path / "x.png", coloured), Window(40, 120))


@pytest.mark.parametrize("dtype", [np.int8, np.int16])
def test_signed_numbers_are_read_through_a_window_or_refused(
    tmp_path: Path, dtype: type[np.signedinteger[Any]]
) -> None:
    values = np.array([[-128, -50, 0], [10, 50, 127]], dtype=dtype)
    path = tmp_path / "x.tif"
    Image.fromarray(values.view(f"u{values.itemsize}")).save(path, tiffinfo={339: 2})
    assert image.read(path, Window(-50, 50))[0].flatten().tolist() == pytest.approx([0, 0, 0.5, 0.6, 1, 1])
    with pytest.raises(ValueError, match=r"x.tif: .*no stated range|x.tif: .*range is not stated"):
        image.read(path)


def twelve_bits(root: Path, brightest: int) -> Path:
    """Write two pairs of 16 bits whose first modality holds levels up to 4095, in one file up to `brightest`."""
    for name, top in (("1", 4095), ("2", brightest)):
        ramp = np.linspace(0, top, 24 * 24).reshape(24, 24).round().astype(np.uint16)
        save(root / "CT-MRI" / "CT" / f"{name}.png", ramp)
        save(root / "CT-MRI" / "MRI" / f"{name}.png", 16 * ramp[::-1])
    return root


@pytest.mark.parametrize(("brightest", "used"), [(4000, "6.2%"), (9000, "")])
def test_bits_that_files_do_not_use_are_said_once(tmp_path: Path, brightest: int, used: str) -> None:
    said: list[str] = []
    entries = layouts.entries(twelve_bits(tmp_path, brightest), say=said.append)
    doubt = "CT uses {} of its range; if it has fewer bits, say so with --window"
    assert said == ([f"CT-MRI: {doubt.format(used)}"] if used else [])
    first, second = layouts.files(entries[0])
    said.clear()
    formats.read_pair(first, second, "x", ("CT", "MRI"), say=said.append)
    assert said == [f"{first}: {doubt.format('6.2%')}"]  # of these two files no more is known
    said.clear()
    formats.read_pair(first, second, "x", ("CT", "MRI"), Reading({"CT": Window(0, 4095)}), say=said.append)
    assert not said
