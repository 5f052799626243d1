"""A run's scores for other programs: Excel or Parquet."""

from pathlib import Path

from fusebench.reports import tables
from fusebench.reports.results import Results
from fusebench.reports.statistics import aggregate

CURE = "pip install 'fusebench[export]'"


def write(results: Results, path: Path) -> None:
    """Write every score with all its digits, a row each, as .xlsx or .parquet.

    An Excel file has a sheet "scores" and one for each table, with means, deviations and intervals; an infinite score
    and one that is undefined stand there as text, since Excel has no such number.

    Raises
    ------
    ValueError
        If the name has another suffix, or the library is missing that writes such files.
    """
    scores = results.scores.reset_index()
    try:
        if path.suffix == ".parquet":
            scores.to_parquet(path, engine="pyarrow", index=False)
            return
        if path.suffix != ".xlsx":
            raise ValueError(f"{path}: name it .xlsx or .parquet; the tables are there as .csv, .md and .tex anyway")
        import pandas as pd

        with pd.ExcelWriter(path, engine="openpyxl") as file:
            scores.to_excel(file, sheet_name="scores", index=False, inf_rep="inf", na_rep="nan")
            for table in results.tables:
                found = tables.frame(table, aggregate(results, table))
                found.to_excel(file, sheet_name=table.name[:31], index=False, inf_rep="inf", na_rep="nan")
            for sheet in file.sheets.values():
                for cell in (cell for row in sheet.iter_rows() for cell in row if cell.data_type == "f"):
                    cell.data_type = "s"  # a name that begins with = is no formula
    except ImportError as error:
        raise ValueError(f"{path}: {error.name} is missing, which writes such files; {CURE}") from error
