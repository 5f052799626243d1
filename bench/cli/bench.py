"""Commands that run or report: bench | score-dir | report."""

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast, get_args

import typer
from fusebench.bench.cli.app import (
    CNN,
    VGG16,
    Axis,
    Case,
    Device,
    Fresh,
    Grey,
    Interpolation,
    Jobs,
    Kinds,
    Maps,
    Methods,
    Metrics,
    NanBackground,
    Orientation,
    Out,
    PseudoColour,
    Reference,
    Replace,
    Scheduler,
    Volume,
    Windows,
    check_device,
    commands,
    complain,
    jobs_or_cores,
    notice,
    progress_bar,
    reading_of,
    say,
    with_weights,
)

if TYPE_CHECKING:
    from fusebench.bench.provenance import Request
    from fusebench.bench.suite import Suite
    from fusebench.datasets.reading import Reading
    from fusebench.metrics.base import Metric
    from fusebench.reports.figures import Box
    from fusebench.reports.statistics import Spread


@commands.command(name="bench", epilog="Example: fusebench bench --data medical --out results --pairs 3")
def bench_(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="[SUITE]",
            help="paper, classical, field (every method), grid (transforms and rules), colour (PET, SPECT) or smoke.",
        ),
    ] = None,
    suite: Annotated[
        str | None,
        typer.Option(metavar="MODULE:NAME", help="A suite of your own: a mapping, or a callable that returns one."),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Folder of pairs, DIR/CT-MRI/{CT,MRI}/NAME.png (or .tif, .bmp, .jpg, .dcm, .nii, .nii.gz), or a data "
            "set of `fusebench list datasets`. "
            "Without it: phantom, synthetic slices that need no network.",
        ),
    ] = None,
    external: Annotated[
        Path | None,
        typer.Option(
            metavar="RESULTS",
            help="Folder of other methods' images: rows beside these, on the pairs that it has; see score-dir.",
        ),
    ] = None,
    own: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE:NAME", help="A method of your own, a class or a function; repeat it for another."),
    ] = None,
    out: Out = Path("results"),
    pairs: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Pairs of each kind, spread over the cases. Without it: the middle slice of each case, at most 5 "
            "cases; table 1 runs on the first pair. The suite classical takes every pair.",
        ),
    ] = None,
    grey: Grey = False,
    reference: Reference = None,
    window: Windows = None,
    axis: Axis = "axial",
    interpolation: Interpolation = "linear",
    volume: Volume = None,
    nan_background: NanBackground = False,
    orientation: Orientation = "radiological",
    pseudo_colour: PseudoColour = None,
    case: Case = None,
    metrics: Metrics = None,
    methods: Methods = None,
    kinds: Kinds = None,
    drawn: Maps = None,
    published: Annotated[
        bool,
        typer.Option(
            "--published",
            help="Print the numbers of the paper beside real pairs, and the order of the methods there and here. "
            "They are of the paper's own pairs, which are not published.",
        ),
    ] = False,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.001, help="What a fuser may take for a pair; after that it has failed."),
    ] = None,
    fresh: Fresh = False,
    replace: Replace = False,
    device: Device = "cpu",
    vgg16: VGG16 = None,
    weights: CNN = None,
) -> None:
    """Fuse every pair with every method, score the results and print the tables.

    Writes report.html, which a browser opens, scores.csv, run.json, fused/, tables/ (Markdown, CSV, LaTeX) and figures/
    (PNG, PDF) into --out. The metrics of the profile default are computed and stand in the files, and the paper's three
    are printed; --metrics chooses others. A run that was interrupted goes on where it stopped when the same command is
    given again. What fails is listed in failures.csv and makes the exit code 1; it stops nothing else. A folder belongs
    to one suite and its data: another run's results are not replaced without --replace.
    """
    from fusebench.bench.catalogue import beside, suite_of, with_own
    from fusebench.bench.suite import narrowed
    from fusebench.datasets.cases import understood
    from fusebench.fusers.base import label
    from fusebench.fusers.catalogue import make

    check_device(device)
    if name is not None and suite is not None:
        raise ValueError(f"a suite is named once: {name}, or --suite {suite}")
    reading = reading_of(
        window, axis, interpolation, pseudo_colour, case, volume, nan_background=nan_background, orientation=orientation
    )
    chosen = suite_of(
        *(suite or name or "paper", data, pairs, reading, notice),
        published=published,
        cnn_file=weights,
        results=external,
    )
    if external is not None:
        chosen = beside(chosen, external, notice)
    chosen = with_own(chosen, own or ())
    if methods is not None:  # what is named as one's own is wanted
        methods = ",".join([methods, *(label(make(one)) for one in own or ())])
    if data is not None:
        entries = dict.fromkeys(entry for table in chosen.values() for entry in table.entries)
        for line in understood((entry.kind, entry.case) for entry in entries):
            notice(line)
    chosen = {
        key: dataclasses.replace(table, fusers=tuple(with_weights(fuser, vgg16, weights) for fuser in table.fusers))
        for key, table in narrowed(chosen, metrics, methods, kinds).items()
    }
    _bench(
        chosen,
        out,
        grey,
        reference,
        name=suite or name or "paper",
        request=_request(data, pairs, reading, external),
        device=device,
        drawn=drawn,
        jobs=jobs,
        scheduler=scheduler,
        timeout=timeout,
        fresh=fresh,
        replace=replace,
    )


@commands.command(name="score-dir", epilog="Example: fusebench score-dir their-results --data medical --out results")
def score_dir_(
    results: Annotated[
        Path,
        typer.Argument(
            help="Folder that holds METHOD/NAME.png; for several kinds of pair METHOD/KIND/NAME.png or "
            "KIND/METHOD/NAME.png. TIFF, BMP and JPEG are read too."
        ),
    ],
    data: Annotated[str, typer.Option(metavar="DIR", help="The pairs they were made from, as for `bench`.")],
    out: Out = Path("results"),
    pairs: Annotated[int | None, typer.Option(metavar="N", help="Pairs of each kind. Without it: every pair.")] = None,
    grey: Grey = False,
    reference: Reference = None,
    window: Windows = None,
    axis: Axis = "axial",
    interpolation: Interpolation = "linear",
    volume: Volume = None,
    nan_background: NanBackground = False,
    orientation: Orientation = "radiological",
    pseudo_colour: PseudoColour = None,
    case: Case = None,
    metrics: Metrics = None,
    methods: Methods = None,
    kinds: Kinds = None,
    drawn: Maps = None,
    jobs: Jobs = None,
    scheduler: Scheduler = None,
    fresh: Fresh = False,
    replace: Replace = False,
) -> None:
    """Score the images that other programs have written, and print the tables.

    A row for each METHOD, and the trivial ones: either source, their average, their maximum. To have the bench's own
    methods beside them: `fusebench bench --external RESULTS`. Colour is scored by its luma (BT.601). A pair of which no
    METHOD has an image is left out; a METHOD without a folder for a kind of pair has no row in its table. Any other
    image that is missing, or not of its pair's size, is a failure of its row.
    """
    from fusebench.bench.catalogue import external
    from fusebench.bench.suite import narrowed
    from fusebench.datasets import catalogue

    reading = reading_of(
        window, axis, interpolation, pseudo_colour, case, volume, nan_background=nan_background, orientation=orientation
    )
    chosen = narrowed(
        external(catalogue.entries(data, reading, notice), results, pairs, notice), metrics, methods, kinds
    )
    _bench(
        chosen,
        out,
        grey,
        reference,
        name=f"score-dir {results.resolve()}",
        request=_request(data, pairs, reading),
        drawn=drawn,
        jobs=jobs,
        scheduler=scheduler,
        fresh=fresh,
        replace=replace,
    )


@commands.command(name="report", epilog="Example: fusebench report results --grey")
def report_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished run: --out of `bench`.")],
    grey: Grey = False,
    reference: Reference = None,
    inline: Annotated[
        bool,
        typer.Option("--inline", help="report.html holds every image in full, so that it can be mailed alone."),
    ] = False,
    spread: Annotated[
        str, typer.Option(metavar="KIND", help="What follows a mean and a ±: interval (95 %), deviation, or none.")
    ] = "interval",
    export: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write the scores and tables as .xlsx, or the scores as .parquet."),
    ] = None,
) -> None:
    """Write the tables, figures and page of a finished run again, and print the tables; nothing is fused or scored."""
    from fusebench.bench.engine import store
    from fusebench.reports import export as exporting
    from fusebench.reports import results
    from fusebench.reports.statistics import Spread

    if spread not in get_args(Spread):
        raise ValueError(f"--spread {spread}: expected {', '.join(get_args(Spread))}")
    found = results.read(folder)  # refuses a folder without a run before anything is written into it
    if export is not None:
        exporting.write(found, export)
    with store.locked(folder):
        texts = _reports(folder, grey=grey, reference=reference, inline=inline, spread=cast("Spread", spread))
    for text in texts:
        say(text)
    say(f"written: {folder}/report.html, tables/, figures/", err=True)


@commands.command(name="figure", epilog="Example: fusebench figure results --pair 2012 --methods nsct,cnn -o fig.pdf")
def figure_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished run: --out of `bench`.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="A .png, .pdf or .svg file.")],
    pair: Annotated[
        str | None, typer.Option(metavar="NAME", help="Show this pair, KIND/NAME or NAME. Without it: the first.")
    ] = None,
    table: Annotated[
        str | None, typer.Option(metavar="NAME", help="A table, such as table2. Without it: the first with the pair.")
    ] = None,
    methods: Methods = None,
    metrics: Metrics = None,
    zoom: Annotated[
        str | None,
        typer.Option(metavar="X,Y,W,H", help="Enlarge this part, in pixels. Without it: where the sources show most."),
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Draw the score of every pair, a line for each method.")
    ] = False,
    grey: Grey = False,
) -> None:
    """Draw a figure for a paper from a finished run: a pair by chosen methods, a part enlarged; or scores by pair.

    The trivial rows that hold the sources are always shown. --metrics names up to three for the captions.
    """
    from fusebench.reports import figures, results

    found = results.read(folder)
    chosen = results.narrowed(found, table, pair, methods, metrics)
    drawn = figures.lines(found, chosen) if lines else figures.side_by_side(found, chosen, grey=grey, box=_box(zoom))
    try:
        drawn.savefig(out)
    except ValueError as error:  # of an unknown suffix
        raise ValueError(f"{out}: {error}") from None
    say(f"written: {out}", err=True)


def _mapped(names: str) -> "tuple[Metric, ...]":
    """Give the metrics whose maps are to be drawn. Raises ValueError if one has none."""
    from fusebench.metrics.profiles import chosen

    if names.strip().lower() == "none":
        return ()
    found = chosen(names)
    if without := [metric.label for metric in found if metric.map is None]:
        raise ValueError(f"--maps {names}: {without[0]} averages no local values, so that it has no map")
    return found


def _look(suite: "Suite", request: "Request") -> None:
    """Say in a line what `data check` would flag of the pairs of a folder that are run."""
    from fusebench.datasets import inspection, layouts

    entries = [
        entry for entry in dict.fromkeys(e for table in suite.values() for e in table.entries) if layouts.lists(entry)
    ]
    with progress_bar() as progress:
        found = inspection.look(entries, request.reading, progress)
    # What cannot be read is an error of the run.
    if len(found.rows) == len(entries) and (line := inspection.in_a_line(found)):
        notice(f"{line}; `fusebench data check {request.data}` shows what looks wrong")


def _box(zoom: str | None) -> "Box | None":
    if zoom is None:
        return None
    try:
        left, top, width, height = map(int, zoom.split(","))
    except ValueError:
        raise ValueError(f"--zoom {zoom}: expected left,top,width,height in pixels, such as 80,100,40,40") from None
    return left, top, width, height


def _bench(
    chosen: "Suite",
    out: Path,
    grey: bool,  # noqa: FBT001
    reference: str | None,
    *,
    name: str,
    drawn: str | None,
    jobs: int | None,
    **options: Any,
) -> None:
    """Run a suite, report on it, and leave with exit code 1 if anything failed."""
    from fusebench.bench import maps, paper
    from fusebench.bench.engine import run, store

    mapped = None if drawn is None else _mapped(drawn)
    with store.locked(out):
        _look(chosen, options["request"])
        with progress_bar() as progress:
            summary = run.run(chosen, out, name=name, jobs=jobs_or_cores(jobs, **options), progress=progress, **options)
        paper.write_features(chosen, out)
        with progress_bar() as progress:
            maps.write(chosen, out, mapped, progress)
        texts = _reports(out, grey=grey, reference=reference)
    for text in texts:
        say(text)
    say(
        f"written: {out}/report.html, scores.csv, losses.csv, run.json, fused/, tables/, figures/{_hidden(chosen)}",
        err=True,
    )
    if summary.reused:
        say(f"{summary.reused} of {summary.items} items were finished before; --fresh computes them anew", err=True)
    if summary.failures:
        scores = sum(bool(failure.metric) for failure in summary.failures)
        items = len(summary.failures) - scores
        what = [f"{items} of {summary.items} items failed"] if items else []
        what += [f"{scores} scores of items that did not fail are missing"] if scores else []
        raise typer.Exit(
            complain(f"{', '.join(what)}, named in {out}/failures.csv; the first: {summary.failures[0]}", 1)
        )


def _hidden(suite: "Suite") -> str:
    """Say how many metrics the files have beyond those that are printed; nothing where all are printed."""
    computed = {metric for table in suite.values() for metric in table.metrics}
    shown = {metric for table in suite.values() for metric in table.shown}
    return "" if computed == shown else f"; tables/ has {len(computed)} metrics, of which {len(shown)} are printed"


def _reports(
    out: Path, *, grey: bool, reference: str | None, inline: bool = False, spread: "Spread" = "interval"
) -> list[str]:
    """Write the tables, figures and page of a run into its folder; give the tables' texts."""
    from fusebench.bench import paper
    from fusebench.reports import figures, rankings, ranks, results, tables
    from fusebench.reports.page import page

    found = results.read(out)
    texts = [*tables.write(found, spread), rankings.write(found)]
    figures.write(found, paper.FIGURES, losses_of=paper.LOSSES, features_of=paper.BY_LAYER, grey=grey)
    ranked = ranks.of(found)
    texts += ranks.write(found, ranked, reference)
    page.write(found, ranked, inline=inline)
    return [text for text in texts if text]


def _request(data: str | None, pairs: int | None, reading: "Reading", external: Path | None = None) -> "Request":
    """Give what was asked for as `run.json` has it: folders by their places, whatever the current folder is."""
    from fusebench.bench.provenance import Request
    from fusebench.datasets.catalogue import DATASETS

    place = data or "phantom"
    return Request(
        place if place in DATASETS else str(Path(place).resolve()),
        pairs,
        reading,
        None if external is None else str(external.resolve()),
        ("fusebench", *sys.argv[1:]),
    )
