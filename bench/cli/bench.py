"""Commands that run or report: bench | score-dir | report."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    Methods,
    Metrics,
    NanBackground,
    Out,
    PseudoColour,
    Replace,
    Scheduler,
    Volume,
    Windows,
    commands,
    complain,
    configure,
    jobs_or_cores,
    notice,
    progress_bar,
    reading_of,
    say,
)

if TYPE_CHECKING:
    from fusebench.bench.provenance import Request
    from fusebench.bench.suite import Suite
    from fusebench.datasets.reading import Reading


@commands.command(name="bench", epilog="Example: fusebench bench --data medical --out results --pairs 3")
def bench_(
    name: Annotated[str | None, typer.Argument(metavar="[SUITE]", help="paper, classical or smoke.")] = None,
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
        typer.Option(metavar="RESULTS", help="Folder of other methods' images: rows beside these; see score-dir."),
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
    window: Windows = None,
    axis: Axis = "axial",
    interpolation: Interpolation = "linear",
    volume: Volume = None,
    nan_background: NanBackground = False,
    pseudo_colour: PseudoColour = None,
    case: Case = None,
    metrics: Metrics = None,
    methods: Methods = None,
    kinds: Kinds = None,
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

    Writes scores.csv, run.json, fused/, tables/ (Markdown, CSV, LaTeX) and figures/ (PNG, PDF) into --out. A run that
    was interrupted goes on where it stopped when the same command is given again. What fails is listed in failures.csv
    and makes the exit code 1; it stops nothing else. A folder belongs to one suite and its data: another run's results
    are not replaced without --replace.
    """
    from fusebench.bench.catalogue import beside
    from fusebench.bench.suite import narrowed

    configure(device, vgg16, weights)
    if name is not None and suite is not None:
        raise ValueError(f"a suite is named once: {name}, or --suite {suite}")
    reading = reading_of(window, axis, interpolation, pseudo_colour, case, volume, nan_background=nan_background)
    chosen = _suite(suite or name or "paper", data, pairs, reading)
    if external is not None:
        chosen = beside(chosen, external, notice)
    chosen = narrowed(chosen, metrics, methods, kinds)
    _bench(chosen, out, grey, name=suite or name or "paper", request=_request(data, pairs, reading, external),
           device=device, jobs=jobs, scheduler=scheduler, timeout=timeout, fresh=fresh, replace=replace)  # fmt: skip


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
    window: Windows = None,
    axis: Axis = "axial",
    interpolation: Interpolation = "linear",
    volume: Volume = None,
    nan_background: NanBackground = False,
    pseudo_colour: PseudoColour = None,
    case: Case = None,
    metrics: Metrics = None,
    methods: Methods = None,
    kinds: Kinds = None,
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

    reading = reading_of(window, axis, interpolation, pseudo_colour, case, volume, nan_background=nan_background)
    chosen = narrowed(
        external(catalogue.entries(data, reading, notice), results, pairs, notice), metrics, methods, kinds
    )
    _bench(chosen, out, grey, name=f"score-dir {results.resolve()}", request=_request(data, pairs, reading), jobs=jobs,
           scheduler=scheduler, fresh=fresh, replace=replace)  # fmt: skip


@commands.command(name="report", epilog="Example: fusebench report results --grey")
def report_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a finished run: --out of `bench`.")],
    grey: Grey = False,
) -> None:
    """Write the tables and figures of a finished run again, and print the tables; nothing is fused or scored."""
    from fusebench.bench.engine import store
    from fusebench.reports import results

    results.read(folder)  # what is no run is refused before anything is written beside it
    with store.locked(folder):
        texts = _reports(folder, grey=grey)
    for text in texts:
        say(text)
    say(f"written: {folder}/tables/, figures/", err=True)


def _bench(chosen: "Suite", out: Path, grey: bool, *, name: str, jobs: int | None, **options: Any) -> None:  # noqa: FBT001
    """Run a suite, report on it, and leave with exit code 1 if anything failed."""
    from fusebench.bench import paper
    from fusebench.bench.engine import run, store

    with store.locked(out):
        with progress_bar() as progress:
            summary = run.run(chosen, out, name=name, jobs=jobs_or_cores(jobs, **options), progress=progress, **options)
        paper.write_features(chosen, out)
        texts = _reports(out, grey=grey)
    for text in texts:
        say(text)
    say(f"written: {out}/scores.csv, losses.csv, run.json, fused/, tables/, figures/", err=True)
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


def _reports(out: Path, *, grey: bool) -> list[str]:
    """Write the tables and figures of a run into its folder; give the tables' texts."""
    from fusebench.bench import paper
    from fusebench.reports import figures, rankings, results, tables

    found = results.read(out)
    texts = [*tables.write(found), rankings.write(found)]
    figures.write(found, paper.FIGURES, losses_of=paper.LOSSES, features_of=paper.BY_LAYER, grey=grey)
    return texts


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


def _suite(name: str, data: str | None, pairs: int | None, reading: "Reading | None" = None) -> "Suite":
    from fusebench.bench.catalogue import SUITES
    from fusebench.bench.suite import load
    from fusebench.datasets import catalogue
    from fusebench.datasets.reading import AS_STATED

    if ":" in name:
        return load(name, lambda: catalogue.entries(data or "phantom", reading or AS_STATED, notice), pairs)
    if name not in SUITES:
        raise ValueError(f"no suite is called {name!r}; known: {', '.join(SUITES)}")
    if name == "smoke":
        if data is not None or pairs is not None or (reading or AS_STATED) != AS_STATED:
            raise ValueError("the suite smoke is what the record holds; it takes neither --data nor --pairs")
        return SUITES[name]()
    return SUITES[name](catalogue.entries(data or "phantom", reading or AS_STATED, notice), pairs)
