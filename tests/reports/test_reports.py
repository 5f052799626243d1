"""Tables and figures from the files of a run."""

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from fusebench.bench.engine.store import Failure, Loss, Score, write_rows
from fusebench.bench.paper import FIGURES
from fusebench.reports import figures, rankings, tables
from fusebench.reports.results import Metric, Table, read
from PIL import Image

UP = {"label": "SF", "family": "gradient", "unit": "grey levels", "higher_is_better": True, "digits": 2, "source": "x"}
DOWN = {"label": "Q_CV", "family": "perception", "unit": "", "higher_is_better": False, "digits": 1, "source": "x"}
SCORES = {  # fuser -> scores of three pairs: two slices of case 2, one of case 16
    "source-a": [(9.0, 9.0, 9.0), (5.0, 5.0, 5.0)],
    "wavelet": [(1.0, 3.0, 6.0), (7.0, 7.0, 7.0)],
    "my_fuser[x=1]": [(5.0, 5.0, 5.0), (8.0, math.nan, 8.0)],
}
PAIRS = [("CT-MRI", "2004"), ("CT-MRI", "2010"), ("CT-MRI", "16003")]


Columns = list[tuple[float | None, ...]]  # of UP and DOWN; None where a fuser failed


def make(
    folder: Path,
    *,
    synthetic: bool = False,
    pairs: list[tuple[str, str]] = PAIRS,
    scores: dict[str, Columns] = SCORES,  # type: ignore[assignment]
) -> dict[str, Any]:
    """Write the files of a run and return its description."""
    rows = [
        Score(*pair, fuser, metric["label"], values[n])
        for fuser, columns in scores.items()
        for metric, values in zip((UP, DOWN), columns, strict=True)
        for n, pair in enumerate(PAIRS)
        if values[n] is not None
    ]
    write_rows(folder / "scores.csv", Score._fields, rows)
    failed = [
        Failure(*pair, fuser, "", "no image")
        for fuser, columns in scores.items()
        for n, pair in enumerate(PAIRS)
        if all(column[n] is None for column in columns)
    ]
    write_rows(folder / "failures.csv", Failure._fields, failed)
    write_rows(folder / "losses.csv", Loss._fields, [])
    info = {
        "dataset": "d",
        "size": [6, 8],
        "modalities": ["CT", "MRI"],
        "coloured": ["MRI"],
        "synthetic": synthetic,
        "sha256": "0",
    }
    description = {
        "suite": "paper",
        "tables": {
            "table2": {
                "title": "Methods, CT-MRI",
                "fusers": [{"label": fuser, "trivial": fuser == "source-a"} for fuser in scores],
                "pairs": pairs,
                "metrics": [UP, DOWN],
                "shown": ["SF", "Q_CV"],
                "published": {"wavelet": {"SF": 3.14159}},
            }
        },
        "pairs": {"CT-MRI": {name: {"case": name[:-3], **info} for _, name in PAIRS}},
    }
    (folder / "run.json").write_text(json.dumps(description))
    for fuser in scores:
        target = folder / "fused" / "CT-MRI" / fuser
        target.mkdir(parents=True)
        Image.fromarray(np.zeros((6, 8), dtype=np.uint8)).save(target / "2004.png")
    return description


def test_slices_of_one_case_count_once_in_mean_and_interval(tmp_path: Path) -> None:
    make(tmp_path)
    tables.write(read(tmp_path))
    table = pd.read_csv(tmp_path / "tables" / "table2.csv").set_index(["fuser", "metric"])
    row = table.loc[("wavelet", "SF")]
    # Cases: 2 -> (1 + 3) / 2 = 2, 16 -> 6. Mean 4, standard deviation 2 sqrt 2, t(0.975; 1) = 12.7062.
    assert row["mean"] == pytest.approx(4)
    assert row["high"] - row["mean"] == pytest.approx(12.706204736 * 2, rel=1e-9)
    assert row["pairs"] == 3


def test_markdown_cells(tmp_path: Path) -> None:
    make(tmp_path)
    (text,) = tables.write(read(tmp_path))
    lines = {
        line.split("|")[1].strip(): [cell.strip() for cell in line.split("|")[2:-1]]
        for line in text.splitlines()
        if "|" in line
    }
    assert lines["method"] == ["SF ↑ (grey levels)", "Q_CV ↓"]
    assert lines["wavelet"] == ["4.00 ± 25.41 / 3.14", "_7.0 ± 0.0_"]
    assert lines["my_fuser[x=1]"] == ["_5.00 ± 0.00_", "8.0 ± 0.0 (1 NaN)"]
    # A trivial row that wins is bold: 9 is the largest SF, 5 the smallest Q_CV.
    assert lines["(source-a)"] == ["**9.00 ± 0.00**", "**5.0 ± 0.0**"]
    assert "3 pairs, 2 cases; mean ± 95% confidence interval over cases. Cells read ours / published" in text


def test_synthetic_pairs_are_labelled_and_not_compared_with_print(tmp_path: Path) -> None:
    make(tmp_path, synthetic=True, pairs=PAIRS[:1])
    (text,) = tables.write(read(tmp_path))
    assert "1 synthetic pair (CT-MRI/2004), 1 case. Bold" in text
    assert "3.14" not in text
    assert "±" not in text


def test_rankings_set_published_and_measured_side_by_side(tmp_path: Path) -> None:
    description = make(tmp_path)
    tables.write(read(tmp_path))
    assert rankings.write(read(tmp_path)) == ""  # one published method has no order
    description["tables"]["table2"]["published"]["my_fuser[x=1]"] = {"SF": 3.0, "Q_CV": 1.0}
    description["tables"]["table2"]["published"]["wavelet"]["Q_CV"] = 2.0
    (tmp_path / "run.json").write_text(json.dumps(description))
    # More SF is better: 3.14 over 3.00 in print, 4 against 5 measured. Q_CV of one has no value on a pair: no rank.
    assert ranks(tmp_path) == [
        ["Table 2", "SF", "wavelet 3.14, my_fuser[x=1] 3.00", "my_fuser[x=1] 5.00, wavelet 4.00", "-1.00"],
    ]
    text = (tmp_path / "scores.csv").read_text()
    (tmp_path / "scores.csv").write_text(text.replace("2010,my_fuser[x=1],Q_CV,nan", "2010,my_fuser[x=1],Q_CV,8.0"))
    # Less Q_CV is better: 1 before 2, 7 before 8.
    assert ranks(tmp_path)[1:] == [
        ["Table 2", "Q_CV", "my_fuser[x=1] 1.0, wavelet 2.0", "wavelet 7.0, my_fuser[x=1] 8.0", "-1.00"],
    ]


def ranks(out: Path) -> list[list[str]]:
    """Give the cells of the rankings of a run."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in rankings.write(read(out)).splitlines()[4:]]


def test_a_rank_correlation_of_nought_has_its_digits(tmp_path: Path) -> None:
    # Measured 2 4 1 3 against published 1 2 3 4: three pairs of methods agree, three do not.
    scores: dict[str, Columns] = {name: [(v,) * 3, (1.0,) * 3] for name, v in zip("abcd", (2, 4, 1, 3), strict=True)}
    description = make(tmp_path, scores=scores)
    description["tables"]["table2"]["published"] = {name: {"SF": n} for n, name in enumerate("abcd", 1)}
    (tmp_path / "run.json").write_text(json.dumps(description))
    tables.write(read(tmp_path))
    assert [row[-1] for row in ranks(tmp_path)] == ["+0.00"]


def test_latex_is_booktabs_and_escaped(tmp_path: Path) -> None:
    make(tmp_path)
    tables.write(read(tmp_path))
    text = (tmp_path / "tables" / "table2.tex").read_text()
    for part in (
        r"\begin{tabular}{lr@{}r@{}rr@{}r@{}r}",
        r"\toprule",
        r"Method & \multicolumn{3}{c}{SF $\uparrow$ (grey levels)} & \multicolumn{3}{c}{Q\_CV $\downarrow$} \\",
        r"(source-a) & \textbf{9.00} & \,$\pm$\,0.00 &  & \textbf{5.0} & \,$\pm$\,0.0 &  \\",
        r"wavelet & \underline{4.00} & \,$\pm$\,25.41 & \,/\,3.14 & \textit{7.0}",
        r"my\_fuser[x=1] & \textit{5.00} & \,$\pm$\,0.00 &  & 8.0 & \,$\pm$\,0.0 (1 NaN) &  \\",
        r"mean $\pm$ 95\% confidence",
        r"\bottomrule",
    ):
        assert part in text
    assert text.count(r"\midrule") == 2
    assert all(text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == 1 for name in ("table", "tabular"))


def test_hostile_names_stay_names_in_every_report(tmp_path: Path) -> None:
    # A kind that would be a cell, a tag, a link, mathematics, a comment and a command.
    kind, pair = "CT|<b>[x](y)$1$-MRI", "a%b#1_{~^}&lt;\\input"
    text = json.dumps(make(tmp_path)).replace("CT-MRI", kind)
    description = json.loads(text)
    info = description["pairs"][kind].pop("2004")
    description["pairs"][kind] = {pair: info}
    description["tables"]["table2"]["pairs"] = [[kind, pair]]
    (tmp_path / "run.json").write_text(json.dumps(description))
    rows = [Score(kind, pair, fuser, metric["label"], 1.0) for fuser in SCORES for metric in (UP, DOWN)]
    write_rows(tmp_path / "scores.csv", Score._fields, rows)
    (tmp_path / "fused" / "CT-MRI").rename(tmp_path / "fused" / kind)
    for fuser in SCORES:
        (tmp_path / "fused" / kind / fuser / "2004.png").rename(tmp_path / "fused" / kind / fuser / f"{pair}.png")
    (markdown,) = tables.write(read(tmp_path))
    assert r"Methods, CT\|\<b\>[x]\(y)$1$-MRI" in markdown
    assert r"/a%b#1\_{~^}\&lt;\\input)" in markdown
    assert "my_fuser[x=1]" in markdown  # what means nothing stays as it is
    latex = (tmp_path / "tables" / "table2.tex").read_text()
    assert r"CT\textbar{}\textless{}b\textgreater{}[x](y)\$1\$-MRI" in latex
    assert r"a\%b\#1\_\{\textasciitilde{}\textasciicircum{}\}\&lt;\textbackslash{}input" in latex
    assert [path.name for path in figures.write(read(tmp_path), FIGURES)] == ["figure8.png"]


def test_many_metrics_stand_family_by_family_in_parts_of_equal_width() -> None:
    def metric(n: int, family: str) -> Metric:
        return Metric(f"{family}{n}", family, "", higher_is_better=None, digits=2, source="")

    few = Table("t", "x", (), (), tuple(metric(n, "error") for n in range(tables.WIDE)), {}, ())
    assert tables.families(few) == [("", few)]
    many = [metric(n, "information") for n in range(12)] + [metric(n, "error") for n in range(3)]
    parts = tables.families(few._replace(metrics=tuple(many)))
    assert [(name, len(part.metrics)) for name, part in parts] == [("information", 6), ("information", 6), ("error", 3)]
    assert [metric for _, part in parts for metric in part.metrics] == many


def test_a_metric_without_a_direction_has_no_mark_and_no_arrow(tmp_path: Path) -> None:
    description = make(tmp_path)
    description["tables"]["table2"]["metrics"][0] = {**UP, "higher_is_better": None}
    (tmp_path / "run.json").write_text(json.dumps(description))
    (text,) = tables.write(read(tmp_path))
    assert "| SF (grey levels) |" in re.sub(" +", " ", text)
    assert "{SF (grey levels)} &" in (tmp_path / "tables" / "table2.tex").read_text()
    assert not pd.read_csv(tmp_path / "tables" / "table2.csv").set_index("metric").loc["SF"].best.any()


def test_a_column_without_a_score_has_no_best(tmp_path: Path) -> None:
    make(tmp_path, pairs=PAIRS[1:2])
    tables.write(read(tmp_path))
    table = pd.read_csv(tmp_path / "tables" / "table2.csv").set_index(["fuser", "metric"])
    assert table.loc[("my_fuser[x=1]", "Q_CV"), "nans"] == 1
    assert not table.loc[("my_fuser[x=1]", "Q_CV"), "best"]


def test_what_failed_is_said_and_left_out_of_the_mean(tmp_path: Path) -> None:
    make(tmp_path)
    lines = (tmp_path / "scores.csv").read_text().splitlines(keepends=True)
    # The wavelet failed on one slice of case 2, the other fuser everywhere.
    kept = [line for line in lines if "my_fuser" not in line and not line.startswith("CT-MRI,2004,wavelet")]
    (tmp_path / "scores.csv").write_text("".join(kept))
    gone = [("wavelet", PAIRS[0]), *(("my_fuser[x=1]", pair) for pair in PAIRS)]
    write_rows(
        tmp_path / "failures.csv", Failure._fields, [Failure(*pair, fuser, "", "no image") for fuser, pair in gone]
    )
    for fuser in ("wavelet", "my_fuser[x=1]"):
        (tmp_path / "fused" / "CT-MRI" / fuser / "2004.png").unlink()
    (text,) = tables.write(read(tmp_path))
    rows = {line.split("|")[1].strip(): line.split("|")[2].strip() for line in text.splitlines() if "|" in line}
    # Case 2 has the slice that is left, 3, and case 16 has 6.
    assert rows["wavelet"].startswith("4.50 ± ")
    assert rows["my_fuser[x=1]"] == "failed"
    assert "wavelet failed on 1 of 3 pairs. my_fuser[x=1] failed on 3 of 3 pairs, which its mean leaves out" in text
    table = pd.read_csv(tmp_path / "tables" / "table2.csv").set_index(["fuser", "metric"])
    assert table.failed.to_dict()["wavelet", "SF"] == 1
    assert not table.best["my_fuser[x=1]", "SF"]
    assert "& failed &" in (tmp_path / "tables" / "table2.tex").read_text()
    assert figures.write(read(tmp_path), FIGURES)


def test_a_score_that_is_missing_is_no_failed_pair(tmp_path: Path) -> None:
    make(tmp_path)
    lines = (tmp_path / "scores.csv").read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("CT-MRI,2004,wavelet,SF")]
    (tmp_path / "scores.csv").write_text("".join(kept))
    (text,) = tables.write(read(tmp_path))
    assert "failed" not in text
    table = pd.read_csv(tmp_path / "tables" / "table2.csv").set_index(["fuser", "metric"])
    assert table.loc[("wavelet", "SF"), ["nans", "failed", "pairs"]].tolist() == [1, 0, 3]
    assert not table.loc[("wavelet", "SF"), "complete"]
    assert table.loc[("wavelet", "Q_CV"), "complete"]


def test_what_lacks_a_pair_is_never_best(tmp_path: Path) -> None:
    # On its one pair the partial method has the highest SF and the lowest Q_CV, and so has its mean.
    make(
        tmp_path,
        scores={
            "source-a": [(1.0, 2.0, 3.0), (9.0, 9.0, 9.0)],
            "full": [(2.0, 2.0, 2.0), (8.0, 8.0, 8.0)],
            "partial": [(7.0, None, None), (1.0, None, None)],
            "gap": [(1.0, 1.0, 1.0), (0.0, math.nan, 0.0)],
        },
    )
    (text,) = tables.write(read(tmp_path))
    lines = {line.split("|")[1].strip(): [c.strip() for c in line.split("|")[2:-1]] for line in text.splitlines()[4:]}
    assert lines["method"] == ["SF ↑ (grey levels)", "Q_CV ↓", "pairs"]
    # The source's mean over its cases (1 + 2) / 2 and 3 is 2.25, more than 2.
    assert [cell.split(" ± ")[0] for cell in lines["(source-a)"]] == ["**2.25", "9.0", "3"]
    assert [cell.split(" ± ")[0] for cell in lines["full"]] == ["_2.00", "**8.0", "3"]
    assert lines["partial"] == ["7.00", "1.0", "1"]
    assert lines["gap"] == ["1.00 ± 0.00", "0.0 ± 0.0 (1 NaN)", "3"]
    assert "; a row without a score that others have is not marked. partial failed on 2 of 3 pairs, which" in text
    table = pd.read_csv(tmp_path / "tables" / "table2.csv").set_index(["fuser", "metric"])
    assert table.pairs.tolist() == [3, 3, 3, 3, 1, 1, 3, 3]
    assert table.index[table.best].tolist() == [("source-a", "SF"), ("full", "Q_CV")]
    assert r"{Q\_CV $\downarrow$} & pairs \\" in (tmp_path / "tables" / "table2.tex").read_text()


def test_what_is_undefined_for_all_keeps_nobody_from_being_best(tmp_path: Path) -> None:
    make(tmp_path, scores={"a": [(math.nan, 1.0, 1.0)] * 2, "b": [(math.nan, 2.0, 2.0)] * 2})
    (text,) = tables.write(read(tmp_path))
    assert "**2.00" in text
    assert "**1.0 " in text
    assert "is not marked" not in text


def test_where_everything_failed_there_is_a_table_and_no_mark(tmp_path: Path) -> None:
    make(tmp_path, scores={"a": [(None,) * 3] * 2})
    (text,) = tables.write(read(tmp_path))
    assert "| a        |               failed |   failed |       0 |" in text
    assert rankings.write(read(tmp_path)) == ""


def test_an_infinite_score_has_no_interval(tmp_path: Path) -> None:
    make(tmp_path, scores={"a": [(math.inf, 30.0, 31.0)] * 2, "b": [(29.0, 30.0, 30.0)] * 2})
    (text,) = tables.write(read(tmp_path))
    assert " **inf** |" in text
    assert "nan" not in text
    assert "-0.0" not in text


def test_a_mean_that_rounds_to_nought_has_no_sign(tmp_path: Path) -> None:
    make(tmp_path, scores={"a": [(-1e-9,) * 3, (-0.0,) * 3]})
    (text,) = tables.write(read(tmp_path))
    assert "**0.00 ± 0.00**" in text
    assert "**0.0 ± 0.0**" in text


def test_an_interval_claims_cases_only_where_they_are_known(tmp_path: Path) -> None:
    description = make(tmp_path)
    description["pairs"]["CT-MRI"]["2004"]["case"] = None
    (tmp_path / "run.json").write_text(json.dumps(description))
    (text,) = tables.write(read(tmp_path))
    assert "3 pairs; mean ± 95% confidence interval over pairs. " in text
    # 1, 3 and 6: mean 10/3, standard deviation sqrt(19/3), t(0.975; 2) = 4.302653.
    assert f"3.33 ± {4.302653 * math.sqrt(19 / 3) / math.sqrt(3):.2f}" in text


def test_coloured_sources_are_shown_in_colour_unless_asked_for_grey(tmp_path: Path) -> None:
    make(tmp_path)
    red = np.zeros((6, 8, 3), dtype=np.uint8)
    red[..., 0] = 255
    for fuser in SCORES:
        target = tmp_path / "colour" / "CT-MRI" / fuser
        target.mkdir(parents=True)
        Image.fromarray(red).save(target / "2004.png")

    def is_coloured() -> bool:
        with Image.open(figures.write(read(tmp_path), FIGURES, grey=grey)[0]) as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        return bool(((pixels[..., 0] > 200) & (pixels[..., 1] < 50)).any())

    for grey in (False, True):
        assert is_coloured() is not grey


def test_names_are_names_and_neither_numbers_nor_missing_values(tmp_path: Path) -> None:
    description = make(tmp_path)
    for name in ("scores.csv", "run.json"):
        text = (tmp_path / name).read_text()
        (tmp_path / name).write_text(text.replace("CT-MRI", "2024").replace("16003", "NA"))
    (tmp_path / "fused" / "CT-MRI").rename(tmp_path / "fused" / "2024")
    (text,) = tables.write(read(tmp_path))
    assert "3 pairs" in text
    assert figures.write(read(tmp_path), FIGURES)
    del description


def test_the_enlarged_part_is_where_both_sources_have_detail(noise: torch.Generator) -> None:
    one, other = np.zeros((2, 60, 90), dtype=np.uint8)
    texture = (255 * torch.rand(10, 10, generator=noise)).byte().numpy()
    one[5:15, 5:15] = texture  # only in the first
    one[40:50, 70:80] = other[40:50, 70:80] = texture
    column, row, width, height = figures.busiest([one, other])
    assert (width, height) == (10, 10)
    assert abs(row - 40) <= 2
    assert abs(column - 70) <= 2


def test_the_figure_shows_every_fuser(tmp_path: Path) -> None:
    make(tmp_path)
    (path,) = figures.write(read(tmp_path), FIGURES)
    with Image.open(path) as picture:
        assert picture.size[0] > 600
        assert len(picture.convert("L").getcolors()) > 10


def test_losses_and_features_are_drawn_where_they_are_asked_for_and_there(
    tmp_path: Path, noise: torch.Generator
) -> None:
    make(tmp_path)
    rows = [Loss("CT-MRI", "2004", "wavelet", 1 + n // 3, n, 10.0 / n) for n in range(1, 6)]
    rows.append(Loss("CT-MRI", "2004", "wavelet", 3, 6, 1.5, 2.0))
    write_rows(tmp_path / "losses.csv", Loss._fields, rows)
    maps = {f"conv1_1/{name}": torch.rand(16, 6, 8, generator=noise).numpy() for name in ("a", "b", "blend", "fused")}
    np.savez(tmp_path / "features.npz", allow_pickle=False, **maps)
    (tmp_path / "fused" / "CT-MRI" / "wavelet").rename(tmp_path / "fused" / "CT-MRI" / "vgg16[layer=conv1_1]")

    def names(**asked: object) -> list[str]:
        return [path.name for path in figures.write(read(tmp_path), {"losses": "figure5"}, **asked)]  # type: ignore[arg-type]

    assert names() == ["table2.png"]
    assert names(losses_of=["average"]) == ["table2.png"]
    both = {"losses_of": ["average", "wavelet"], "features_of": "table2"}
    assert names(**both) == ["table2.png", "features.png", "figure5.png"]
    # A row for the one layer: 10 x (2.15 + 0.5) inches of 150 dots.
    with Image.open(tmp_path / "figures" / "features.png") as picture:
        assert picture.size == (1500, 397)
    (tmp_path / "features.npz").unlink()
    assert names(**both) == ["table2.png", "figure5.png"]


def test_a_folder_without_a_whole_run_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"{tmp_path}: holds no finished run"):
        read(tmp_path)
    description = make(tmp_path)
    del description["pairs"]["CT-MRI"]["2004"]["coloured"]
    (tmp_path / "run.json").write_text(json.dumps(description))
    with pytest.raises(ValueError, match=r"run.json: was not written by this version \(KeyError\('coloured'\)"):
        read(tmp_path)
