"""Ranks and tests. Witnesses: the worked example of Demsar 2006 (table 6 and section 3.2), SciPy, and closed forms."""

import math
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from fusebench.reports.results import Metric
from fusebench.reports.statistics import ALPHA, Ranking, critical_difference, differences, ranking
from scipy.stats import friedmanchisquare, wilcoxon

AUC = Metric("AUC", "error", "", higher_is_better=True, digits=3, source="")
# Areas under curves of four classifiers on 14 data sets, in thousandths. The paper prints 975 twice in one row and
# ranks the first of them higher, so it had more digits: it is 975.1 here.
DEMSAR = pd.DataFrame(
    [
        (763, 768, 771, 798),
        (599, 591, 590, 569),
        (954, 971, 968, 967),
        (628, 661, 654, 657),
        (882, 888, 886, 898),
        (936, 931, 916, 931),
        (661, 668, 609, 685),
        (583, 583, 563, 625),
        (775, 838, 866, 875),
        (1000, 1000, 1000, 1000),
        (940, 962, 965, 962),
        (619, 666, 614, 669),
        (972, 981, 975.1, 975),
        (957, 978, 946, 970),
    ],
    columns=["C4.5", "C4.5+m", "C4.5+cf", "C4.5+m+cf"],
)


def test_mean_ranks_are_those_of_demsars_example() -> None:
    found = ranking(DEMSAR, AUC)
    assert found.mean_ranks.round(3).to_dict() == {"C4.5+m+cf": 1.964, "C4.5+m": 2.0, "C4.5+cf": 2.893, "C4.5": 3.143}
    # Equation of section 3.2.2, without a correction for ties; SciPy's has one, and is larger for it.
    n, k = DEMSAR.shape
    chi2 = 12 * n / (k * (k + 1)) * ((found.mean_ranks**2).sum() - k * (k + 1) ** 2 / 4)
    assert round(chi2, 2) == 9.28
    assert found.friedman == pytest.approx(friedmanchisquare(*DEMSAR.to_numpy().T).pvalue, rel=1e-12)
    # The two extremes of the example differ by less than Nemenyi's critical difference.
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert found.mean_ranks.max() - found.mean_ranks.min() < critical_difference(4, 14)


def test_holms_correction_multiplies_the_smallest_p_value_by_the_number_of_tests() -> None:
    found = differences(DEMSAR, [*combinations(DEMSAR, 2)])
    raw = {pair: wilcoxon(DEMSAR[pair[0]] - DEMSAR[pair[1]]).pvalue for pair in combinations(DEMSAR, 2)}
    first, second, *_ = sorted(raw, key=lambda pair: raw[pair])
    assert found[first] == pytest.approx(min(1, 6 * raw[first]))
    assert found[second] == pytest.approx(min(1, max(6 * raw[first], 5 * raw[second])))
    assert all(found[pair] >= raw[pair] for pair in raw)


def test_where_nothing_can_be_significant_nothing_is_tested() -> None:
    # Three cases: the smallest two-sided p-value is 2 / 2^3, here for three pairs of methods. Friedman's statistic is
    # 6 at most, with 2 degrees of freedom: exp(-3) = 0.0498.
    few = ranking(pd.DataFrame({"a": [1.0, 2, 3], "b": [2.0, 3, 4], "c": [3.0, 4, 5]}), AUC)
    assert few.refused.startswith(
        "over 3 independent cases Wilcoxon's test, corrected for 3 tests, cannot give a p-value below 0.75"
    )
    assert few.friedman == pytest.approx(math.exp(-3))
    assert few.differs == {}
    assert [few.rank(name) for name in "abc"] == [3, 2, 1]
    assert ranking(pd.DataFrame({"a": [1.0, 2], "b": [2.0, 3], "c": [3.0, 4]}), AUC).friedman is None
    # The number at which it is possible: 3 x 2^(1 - n) <= 0.05 from n = 7 on.
    rows = np.arange(7.0)
    enough = ranking(pd.DataFrame({"a": rows, "b": rows + 1, "c": rows + 3}), AUC)
    assert enough.refused == ""
    assert max(enough.differs.values()) == pytest.approx(3 / 2**6)
    assert max(enough.differs.values()) <= ALPHA


def test_the_interval_of_a_rank_is_that_of_drawn_cases() -> None:
    # Where one is better in every case no sample can change the order; where each wins half it is open.
    rows = np.arange(10.0)
    clear = ranking(pd.DataFrame({"a": rows, "b": rows + 1, "c": rows + 2}), AUC)
    assert clear.intervals == {"c": (1, 1), "b": (2, 2), "a": (3, 3)}
    assert not clear.level("a", "b")
    even = ranking(pd.DataFrame({"a": rows, "b": rows + (-1) ** rows, "c": rows - 9}), AUC)
    assert even.intervals == {"a": (1, 2), "b": (1, 2), "c": (3, 3)}
    assert even.level("a", "b")
    assert [even.rank(name) for name in "abc"] == [1, 1, 3]


def test_lower_is_better_turns_the_order() -> None:
    scores = pd.DataFrame({"a": np.arange(8.0), "b": np.arange(8.0) + 1, "c": np.arange(8.0) + 2})
    assert [*ranking(scores, AUC._replace(higher_is_better=False)).mean_ranks.index] == ["a", "b", "c"]
    with pytest.raises(ValueError, match="AUC: no value is better than another"):
        ranking(scores, AUC._replace(higher_is_better=None))


def test_no_bar_joins_methods_that_differ() -> None:
    def ranked(*different: tuple[str, str]) -> list[list[str]]:
        mean = pd.Series({"a": 1.0, "b": 2.0, "c": 3.0, "d": 4.0})
        p = {pair: 0.01 if pair in different else 0.5 for pair in combinations("abcd", 2)}
        return Ranking(AUC, mean, {}, 9, 0.0, p, "").groups()

    assert ranked() == [["a", "b", "c", "d"]]
    assert ranked(("a", "d")) == [["a", "b", "c"], ["b", "c", "d"]]
    # b and c differ from each other and not from their neighbours.
    assert ranked(("b", "c")) == [["a", "b"], ["c", "d"]]
    assert ranked(*combinations("abcd", 2)) == []


def test_methods_that_are_the_same_do_not_differ() -> None:
    same = pd.DataFrame({name: np.arange(9.0) for name in "abc"})
    found = ranking(same, AUC)
    assert found.friedman == 1.0
    assert set(found.differs.values()) == {1.0}
    assert all(math.isclose(rank, 2.0) for rank in found.mean_ranks)
