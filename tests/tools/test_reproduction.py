"""What the page of the reproduction says, from measurements whose answers are known."""

from itertools import product
from pathlib import Path

import pandas as pd
import reproduction
from fusebench.bench.paper import TABLE_1
from fusebench.fusers.neural.vgg16_weights import LAYERS


def measured() -> pd.DataFrame:
    """Give two pairs: without bounds scores are as printed, bounded they rise with depth and half the loss is left."""
    rows = []
    for pair, (n, layer), solver, rounds in product(
        ("p", "q"), enumerate(LAYERS), reproduction.SOLVERS, reproduction.ROUNDS
    ):
        printed = TABLE_1[f"vgg16[layer={layer},solver=protocol]"]
        scores = printed if solver == "protocol" else {metric: float(n) for metric in reproduction.METRICS}
        loss = 2.0 if solver == "protocol" else 1.0
        facts = {"pair": pair, "layer": layer, "solver": solver, "smooth": 0.0, "rounds": rounds}
        rows.append({**facts, "evaluations": 10 * rounds, "loss": loss, "saved": 2 * loss, **scores})
    damped = [
        {**row, "smooth": smooth, "saved": 3.0}
        for row in rows
        for smooth in reproduction.SMOOTH
        if (row["layer"], row["solver"], row["rounds"]) == ("conv1_2", "bounded", reproduction.ROUNDS[-1])
    ]
    return pd.DataFrame([*rows, *damped])


TRANSFORMS = pd.DataFrame(
    [{"method": method, "SF": 20.0, "MI": 9.0, "M": 0.5} for method in ("wavelet", "contourlet") for _ in range(2)]
)


def test_the_claims_are_counted(tmp_path: Path) -> None:
    text = reproduction.page(measured(), TRANSFORMS, "two pairs")
    lines: dict[str, list[str]] = {}
    for line in text.splitlines():
        if line.startswith("| "):
            name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
            lines.setdefault(name, cells)  # of a layer the losses, which come first
    assert lines["SF: order of the layers"][:3] == ["+1.00"] * 3
    assert lines["SF: order of the layers"][3][0] == "-"
    assert lines["SF: best layer"] == ["conv1_1"] * 3 + [LAYERS[-1]] * 2
    # 20.3391 without bounds, against 20; layer number 1 bounded.
    assert lines["SF: conv1_2 above wavelet / contourlet"][1:] == ["2 of 2 / 2 of 2"] * 2 + ["0 of 2 / 0 of 2"] * 2
    # Relative to the bounded solver's last saved loss, which is 2.
    assert lines["conv3_1"][:4] == ["1.000", "2.000", "1.000", "2.000"]
    assert lines["0.1"][0] == "1.5000"
    reproduction.draw(measured(), tmp_path / "drawn.png")
    assert (tmp_path / "drawn.png").stat().st_size > 10_000
