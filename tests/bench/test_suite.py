"""What of a suite is asked for: columns, rows and kinds by their names. Witness: what the suite holds."""

import pytest
import torch
from fusebench.bench.paper import paper
from fusebench.bench.suite import Table, narrowed
from fusebench.datasets.pair import Entry, Pair
from fusebench.fusers.base import label
from fusebench.fusers.neural.vgg16 import VGG16LBFGS
from fusebench.fusers.pixel.trivial import Average, Maximum
from fusebench.fusers.pixel.wavelet import Wavelet
from fusebench.metrics.mutual_information import MI
from fusebench.metrics.profiles import PROFILES, chosen
from fusebench.metrics.spatial_frequency import SF


def entry(kind: str) -> Entry:
    return Entry(kind, "p", None, lambda: Pair(torch.zeros(8, 8), torch.zeros(8, 8), kind, "p", None))


SUITE = {
    "table2": Table("x", (Average(), Wavelet(), Wavelet(levels=2), VGG16LBFGS()), (entry("CT-MRI"),), (SF,)),
    "table3": Table("y", (Maximum(), Wavelet()), (entry("CT-PET"),), (SF, MI)),
}


def test_columns_are_profiles_and_labels() -> None:
    assert all(table.metrics == PROFILES["default"] for table in narrowed(SUITE, "default").values())
    assert [m.label for m in narrowed(SUITE, "MI,PSNR@tang")["table2"].metrics] == ["MI", "PSNR@tang"]
    assert narrowed(SUITE) == SUITE


def test_rows_are_names_or_labels_and_trivial_ones_stay() -> None:
    rows = {name: [label(f) for f in table.fusers] for name, table in narrowed(SUITE, methods="wavelet").items()}
    assert rows == {"table2": ["average", "wavelet", "wavelet[levels=2]"], "table3": ["maximum", "wavelet"]}
    # Without a method of its own a table goes. A label's own commas part nothing.
    (table,) = narrowed(SUITE, methods="wavelet[levels=2],vgg16[layer=conv1_2]").values()
    assert [label(f) for f in table.fusers] == ["average", "wavelet[levels=2]", "vgg16[layer=conv1_2]"]


def test_kinds_are_chosen_by_name() -> None:
    assert list(narrowed(SUITE, kinds="CT-PET")) == ["table3"]


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        ({"metrics": "SF,Qabf"}, "no metric or profile is called 'Qabf'; did you mean Q_ABF"),
        ({"metrics": "zzzzzz"}, "no metric or profile is called 'zzzzzz'; the profiles are default, sound, seed"),
        ({"methods": "cnn"}, r"--methods cnn: there is none; there are wavelet, wavelet\[levels=2\], vgg16"),
        ({"kinds": "CT-SPECT"}, "--kinds CT-SPECT: there is none; there are CT-MRI, CT-PET"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(asked: dict[str, str], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        narrowed(SUITE, **asked)


def test_a_table_takes_labels_where_it_takes_records() -> None:
    table = Table("x", (Average(),), (), ("SF", MI, "seed"))  # type: ignore[arg-type]
    assert table.metrics == (SF, MI, *chosen("seed"))


def test_what_a_table_shows_is_some_of_its_metrics() -> None:
    table = Table("x", (Average(),), (entry("CT-MRI"),), PROFILES["default"], shown=("SF", MI))  # type: ignore[arg-type]
    assert table.shown == (SF, MI)
    assert Table("x", (Average(),), (), (MI, SF)).shown == (MI, SF)
    with pytest.raises(ValueError, match="table 'x' shows MI, which is not among its metrics"):
        Table("x", (Average(),), (), (SF,), shown=(MI,))
    # Metrics that are asked for are shown, whatever the table showed.
    assert narrowed({"t": table}, metrics="PSNR,VIF")["t"].shown == chosen("PSNR,VIF")
    assert narrowed({"t": table})["t"].shown == (SF, MI)


def test_the_papers_tables_compute_every_definition_and_print_its_three() -> None:
    for table in paper([entry("CT-MRI")]).values():
        assert table.metrics == PROFILES["default"]
        assert [metric.label for metric in table.shown] == ["SF", "MI", "M"]


def test_the_papers_numbers_are_there_when_they_are_asked_for() -> None:
    assert not any(table.published for table in paper([entry("CT-MRI")]).values())
    asked = paper([entry("CT-MRI")], published=True)
    assert asked["table2"].published["wavelet"]["SF"] == 20.3347
