"""Folders as they are laid out: which files are pairs, and what is none is named."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fusebench.datasets import layouts
from fusebench.datasets.reading import Reading
from PIL import Image

Write = Callable[..., Path]
GREY = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10


def save(path: Path, pixels: np.ndarray = GREY) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    """Give the common layout with two cases of CT/MRI and one CT/PET pair."""
    for name in ("2004", "2010", "16003"):
        for modality in ("CT", "MRI"):
            save(tmp_path / "CT-MRI" / modality / f"{name}.png")
    for modality in ("CT", "PET"):
        save(tmp_path / "PET-CT" / modality / "brain01.png")
    return tmp_path


def test_pairs_are_listed_by_kind_case_and_slice(layout: Path) -> None:
    found = [(e.kind, e.name, e.case) for e in layouts.entries(layout, Reading(case="atlas"))]
    assert found == [
        ("CT-MRI", "2004", "2"),
        ("CT-MRI", "2010", "2"),
        ("CT-MRI", "16003", "16"),
        ("PET-CT", "brain01", "brain01"),
    ]


def test_the_name_of_a_kind_orders_its_sources(layout: Path) -> None:
    kinds = {entry.kind: entry.read().modalities for entry in layouts.entries(layout)}
    assert kinds == {"CT-MRI": ("CT", "MRI"), "PET-CT": ("PET", "CT")}


def test_one_kind_may_be_named_itself(layout: Path) -> None:
    assert len(layouts.entries(layout / "CT-MRI")) == 3


def test_any_two_modalities_pair_and_extensions_may_differ(tmp_path: Path) -> None:
    save(tmp_path / "tno" / "ir" / "05.png")
    save(tmp_path / "tno" / "vi" / "05.tif")
    save(tmp_path / "tno" / "vi" / ".hidden.png")
    (entry,) = layouts.entries(tmp_path)
    assert entry.read().modalities == ("ir", "vi")


def test_links_within_the_folder_are_followed(layout: Path) -> None:
    (layout / "CT-MRI" / "CT" / "2005.png").symlink_to("2004.png")
    (layout / "CT-MRI" / "MRI" / "2005.png").symlink_to(layout / "CT-MRI" / "MRI" / "2010.png")
    assert len(layouts.entries(layout)) == 5


def test_an_empty_folder_is_named(layout: Path) -> None:
    (layout / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty: no pairs; expected"):
        layouts.entries(layout / "empty")
    (layout / "PET-CT" / "CT" / "brain01.png").unlink()
    with pytest.raises(ValueError, match=r"PET-CT/CT: no images: an empty folder"):
        layouts.entries(layout)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="nowhere: no such folder"):
        layouts.entries(tmp_path / "nowhere")


def test_a_kind_with_a_third_folder_is_named(layout: Path) -> None:
    save(layout / "CT-MRI" / "MASK" / "2004.png")
    with pytest.raises(ValueError, match=r"CT-MRI: holds 3 folders \(CT, MASK, MRI\)"):
        layouts.entries(layout)


def test_what_cannot_be_read_is_no_image(layout: Path) -> None:
    save((layout / "PET-CT" / "CT" / "brain01.png").rename(layout / "PET-CT" / "CT" / "brain01.gif"))
    with pytest.raises(ValueError, match=r"PET-CT/CT: no images that can be read, only \.gif"):
        layouts.entries(layout)


def test_a_picture_beside_the_modalities_is_no_pair(layout: Path) -> None:
    save(layout / "CT-MRI" / "preview.png")
    assert len(layouts.entries(layout)) == 4


def test_a_kind_has_its_name_however_it_is_reached(layout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(layout / "CT-MRI")
    for root in (Path(), Path("MRI/..")):
        assert {entry.kind for entry in layouts.entries(root)} == {"CT-MRI"}


def test_a_name_that_cannot_be_printed_is_refused(layout: Path) -> None:
    (layout / "CT-MRI" / "CT" / "a\nb.png").write_bytes(b"")
    with pytest.raises(ValueError, match="cannot be printed"):
        layouts.entries(layout)


def test_a_file_without_partner_is_named(layout: Path) -> None:
    save(layout / "CT-MRI" / "CT" / "2005.png")
    save(layout / "CT-MRI" / "CT" / "2006.png")
    with pytest.raises(ValueError, match=r"CT/2005.png: no partner in .*MRI;.*and 1 more"):
        layouts.entries(layout)


def test_two_files_of_one_name_are_refused(layout: Path) -> None:
    save(layout / "CT-MRI" / "CT" / "2004.tif")
    with pytest.raises(ValueError, match="unique"):
        layouts.entries(layout)


def test_real_pairs_are_read(shared: Path) -> None:
    entries = layouts.entries(shared / "data" / "medical")
    kinds = {entry.kind for entry in entries}
    assert kinds >= {"CT-MRI", "CT-PET", "SPECT-MRI"}
    cases = {entry.case for entry in entries if entry.kind == "CT-MRI"}
    assert cases == {"2", "16", "21", "28", "34"}
    first = {entry.kind: entry for entry in reversed(entries)}
    assert first["CT-PET"].read().size == (512, 512)
    assert first["SPECT-MRI"].read().chroma is not None


def test_files_are_told_by_their_bytes_whatever_they_are_called(tmp_path: Path, write_dicom: Write) -> None:
    for k in (1, 2, 10):
        write_dicom(tmp_path / "CT-MRI" / "CT" / f"IM{k:04d}", GREY + k)
        write_dicom(tmp_path / "CT-MRI" / "MRI" / f"IM{k:04d}.IMA", GREY)
    write_dicom(tmp_path / "CT-MRI" / "CT" / "1.2.840.77", GREY)
    slide = tmp_path / "CT-MRI" / "MRI" / "IM0001.IMA"
    slide.write_bytes(b"II*\0" + slide.read_bytes()[4:])  # both TIFF and DICOM, as slides of tissue are
    save(tmp_path / "CT-MRI" / "MRI" / "picture.png").rename(tmp_path / "CT-MRI" / "MRI" / "1.2.840.77")
    (tmp_path / "CT-MRI" / "CT" / "DICOMDIR").write_bytes(bytes(128) + b"DICM")
    (tmp_path / "CT-MRI" / "CT" / "notes").write_text("no image")
    entries = layouts.entries(tmp_path)
    assert [entry.name for entry in entries] == ["1.2.840.77", "IM0001", "IM0002", "IM0010"]
    for entry, added in zip(entries, (0, 1, 2, 10), strict=True):
        assert (255 * entry.read().a).round().tolist() == (GREY + added).tolist()
        assert (255 * entry.read().b).round().tolist() == GREY.tolist()


NAMES = ["1", "2", "10"]
SAID = "CT-MRI: files that are named by CT and by MRI are read as pairs, such as 1"
CASES = "CT-MRI: its folders are read as cases, each with a file ct and a file mri"


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("CT-MRI/{m}/{n}_{m}.png", []),
        ("CT-MRI/{m}/{m}{n}.png", []),
        ("CT-MRI/{n}_{m}.png", [SAID]),
        ("CT-MRI/{m}-{n}.png", [SAID]),
        ("CT-MRI/{m}{n}.png", [SAID]),
        ("CT-MRI/{n}/{l}.png", [CASES]),
    ],
)
@pytest.mark.parametrize("root", ["", "CT-MRI"])
def test_folders_that_people_have_are_understood(tmp_path: Path, written: str, said: list[str], root: str) -> None:
    for k, name in enumerate(NAMES):
        for m, pixels in (("CT", GREY + k), ("MRI", GREY // 2 + k)):
            save(tmp_path / written.format(n=name, m=m, l=m.lower()), pixels)
    heard: list[str] = []
    entries = layouts.entries(tmp_path / root, say=heard.append)
    assert [(entry.kind, entry.name) for entry in entries] == [("CT-MRI", name) for name in NAMES]
    assert heard == said
    for k, entry in enumerate(entries):
        pair = entry.read()
        assert [m.upper() for m in pair.modalities] == ["CT", "MRI"]
        assert (255 * pair.a).round().tolist() == (GREY + k).tolist()
        assert (255 * pair.b).round().tolist() == (GREY // 2 + k).tolist()
        assert (pair.name, pair.case) == (entry.name, entry.case) == (NAMES[k], NAMES[k] if said == [CASES] else None)


PARTS = "CT-MRI: test, train are read as parts of one set"
PATIENTS = "CT-MRI: p1, p2, p10 are read as its cases"


@pytest.mark.parametrize(
    ("written", "parts", "said"),
    [
        ("{p}/CT-MRI/{m}/{n}.png", ["test", "train"], None),
        ("CT-MRI/{p}/{m}/{n}.png", ["test", "train"], PARTS),
        ("CT-MRI/{m}/{p}/{n}.png", ["test", "train"], PARTS),
        ("{p}/{m}/{n}.png", ["test", "train"], PARTS),
        ("CT-MRI/{p}/{m}/{n}.png", ["p1", "p2", "p10"], PATIENTS),
        ("CT-MRI/{m}/{p}/{n}.png", ["p1", "p2", "p10"], PATIENTS),
        ("{p}/{m}/{n}.png", ["p1", "p2", "p10"], PATIENTS),
        ("CT-MRI/{p}/{m}/{n}.png", ["Smith"], "CT-MRI: Smith are read as its cases"),
    ],
)
def test_folders_one_deeper_are_parts_or_cases(
    tmp_path: Path, written: str, parts: list[str], said: str | None
) -> None:
    for k, part in enumerate(parts):
        for m, pixels in (("CT", GREY + k), ("MRI", GREY // 2 + k)):
            save(tmp_path / written.format(p=part, m=m, n="7"), pixels)
    heard: list[str] = []
    found = layouts.entries(tmp_path, say=heard.append)
    cased = said != PARTS and said is not None
    assert [(e.kind, e.name, e.case) for e in found] == [
        ("CT-MRI", f"{part}_7", part if cased else None) for part in parts
    ]
    for k, entry in enumerate(found):
        assert entry.read().modalities == ("CT", "MRI")
        assert (255 * entry.read().a).round().tolist() == (GREY + k).tolist()
        assert (255 * entry.read().b).round().tolist() == (GREY // 2 + k).tolist()
    if said is not None:
        assert heard[0] == said


def test_sets_and_sequences_are_no_parts(tmp_path: Path) -> None:
    for data in ("tno", "vot"):
        for modality in ("ir", "vi"):
            save(tmp_path / "sets" / data / modality / "1.png")
    assert {entry.kind for entry in layouts.entries(tmp_path / "sets")} == {"tno", "vot"}
    for patient in ("p1", "p2"):
        for modality in ("T1", "T2"):
            save(tmp_path / "brains" / patient / modality / "1.png")
    found = layouts.entries(tmp_path / "brains")
    assert [(e.kind, e.case, e.read().modalities) for e in found] == [
        ("T1-T2", patient, ("T1", "T2")) for patient in ("p1", "p2")
    ]


def test_two_patients_are_never_a_pair(tmp_path: Path) -> None:
    for patient in ("patient1", "patient2"):
        for modality in ("ct", "mri"):
            save(tmp_path / patient / f"{modality}.png")
    assert [entry.case for entry in layouts.entries(tmp_path)] == ["patient1", "patient2"]
    (tmp_path / "patient2" / "mri.png").unlink()
    with pytest.raises(ValueError, match=r"patient2/ct.png: no partner"):
        layouts.entries(tmp_path)
    save(tmp_path / "patient2" / "pet.png")
    with pytest.raises(ValueError, match=r"files called ct, mri, pet; a pair has two modalities"):
        layouts.entries(tmp_path)


def test_files_whose_names_say_two_things_or_three_are_refused(tmp_path: Path) -> None:
    for name in ("A1-X", "B1-X", "A1-Y", "B1-Y"):
        save(tmp_path / "two" / f"{name}.png")
    with pytest.raises(ValueError, match=r"two: the modalities may be X, Y or A, B; put each into a folder of its own"):
        layouts.entries(tmp_path / "two")
    for name in ("1_CT", "1_MRI", "1_PET"):
        save(tmp_path / "three" / f"{name}.png")
    with pytest.raises(ValueError, match=r"three: 3 modalities \(CT, MRI, PET\); a pair has two"):
        layouts.entries(tmp_path / "three")
