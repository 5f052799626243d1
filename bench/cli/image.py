"""Commands for one pair of images: fuse | score | explain."""

import json
from collections.abc import Iterator
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from fusebench.bench.cli.app import (
    CNN,
    VGG16,
    Axis,
    Device,
    Interpolation,
    NanBackground,
    Orientation,
    PseudoColour,
    Volume,
    Windows,
    check_device,
    check_sources,
    commands,
    complain,
    notice,
    progress_bar,
    reading_of,
    say,
    with_weights,
)


class Colour(StrEnum):
    """How `score` takes coloured images."""

    luma = "luma"
    per_channel = "per-channel"


@commands.command(name="fuse", epilog="Example: fusebench fuse ct.png mri.png -m 'vgg16[layer=conv2_1]' -o fused.png")
def fuse_(
    a: Annotated[Path, typer.Argument(help="First source image; FILE#k is slice k of a volume, frame k of a DICOM.")],
    b: Annotated[Path, typer.Argument(help="Second source image, registered to the first.")],
    method: Annotated[
        str,
        typer.Option(
            "--method",
            "-m",
            metavar="NAME",
            help="NAME or NAME[option=value,...] of `list fusers`; module:NAME of your own.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="OUT", help="PNG, TIFF, BMP or, of volumes, NIfTI file to write; or a folder."
        ),
    ],
    slices: Annotated[
        str | None,
        typer.Option(
            metavar="FROM:TO",
            help="Fuse these slices of two volumes, by number or in mm, such as 40mm:60mm; either end may be left out.",
        ),
    ] = None,
    also: Annotated[
        str | None,
        typer.Option(
            metavar="FORMAT[,FORMAT]",
            help="Write the slices into the folder as nifti or dicom (secondary captures) too, for a viewer to place.",
        ),
    ] = None,
    keep_identity: Annotated[
        bool,
        typer.Option("--keep-identity", help="Give DICOM results the patient, study and frame of reference of A."),
    ] = False,
    show: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE=TABLE[,OPACITY]",
            help="Lay a grey source (a or b) in colour over the fused picture, such as b=hot,0.5.",
        ),
    ] = None,
    grey: Annotated[bool, typer.Option("--grey", help="Leave the colour of a coloured source away.")] = False,
    window: Windows = None,
    axis: Axis = "axial",
    interpolation: Interpolation = "linear",
    volume: Volume = None,
    nan_background: NanBackground = False,
    orientation: Orientation = "radiological",
    pseudo_colour: PseudoColour = None,
    device: Device = "cpu",
    vgg16: VGG16 = None,
    weights: CNN = None,
) -> None:
    """Fuse two registered images into one 8-bit file, or slices of two volumes.

    A volume is a file (NIfTI, MetaImage, NRRD, MGH) or a folder of DICOM slices; the second is resampled onto the grid
    of the first. --slices writes into the folder OUT a picture for each, or into OUT.nii.gz all of them. Luma is fused;
    where a source is coloured its colour is put back, unless --grey. For --window the sources are called a and b.
    """
    from fusebench.bench import fusing
    from fusebench.datasets import formats
    from fusebench.fusers import foreign
    from fusebench.fusers.base import label
    from fusebench.fusers.catalogue import make

    check_device(device)
    fuser = with_weights(make(method), vgg16, weights)
    if weights and fuser.name == "cnn" and "weights=" not in method.replace(" ", ""):
        fuser = replace(fuser, weights="published")  # type: ignore[type-var]  # a Protocol
    reading = reading_of(
        window, axis, interpolation, pseudo_colour, None, volume, nan_background=nan_background, orientation=orientation
    )
    reading = check_sources(reading, "a", "b")
    formats.check_colour((a, b), reading)
    target = fusing.target(out, (a, b), slices, also, keep_identity=keep_identity)
    look = fusing.look(show, grey=grey)
    with progress_bar() as progress, foreign.printing(label(fuser)):
        written = fusing.fuse(
            fuser, (a, b), target, look, reading=reading, device=device, progress=progress, say=notice
        )
    if slices is not None:
        say(f"written: {written}", err=True)


@commands.command(name="score", epilog="Example: fusebench score ct.png mri.png fused.png --profile vifb --json")
def score_(
    a: Annotated[Path, typer.Argument(help="First source image.")],
    b: Annotated[Path, typer.Argument(help="Second source image.")],
    fused: Annotated[Path, typer.Argument(help="Their fusion, called fused for --window.")],
    profile: Annotated[
        str, typer.Option(metavar="NAME", help="default, seed, or what a code base prints: vifb, mefb, mfif, tang, ...")
    ] = "default",
    mask: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Score inside a mask: an image or a volume's slice (FILE#k) of the same size, not black inside; "
            "or the word foreground, for what stands before the sources' dark background.",
        ),
    ] = None,
    colour: Annotated[
        Colour, typer.Option(help="Score the luma, or each of R, G and B against the sources' and their mean.")
    ] = Colour.luma,
    window: Windows = None,
    axis: Axis = "axial",
    interpolation: Interpolation = "linear",
    volume: Volume = None,
    nan_background: NanBackground = False,
    orientation: Orientation = "radiological",
    pseudo_colour: PseudoColour = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Score a fused image against its sources by every metric of a profile.

    Colour is scored by its luma (BT.601), or with --colour per-channel by each channel; all three images are taken at
    256 levels. Where an image is coloured, what of the sources' colour was kept is scored besides. A coloured fusion
    whose colours were clipped has not quite the luma that `fuse` made: write it with --grey to score what the bench
    scores.
    """
    from fusebench.bench import arrays
    from tabulate import tabulate

    reading = check_sources(
        reading_of(
            window,
            axis,
            interpolation,
            pseudo_colour,
            None,
            volume,
            nan_background=nan_background,
            orientation=orientation,
        ),
        *("a", "b", "fused"),
    )
    triple = arrays.read_triple(a, b, fused, reading, notice)
    inside = None if mask is None else arrays.read_mask(mask, triple, a, reading, notice)
    by_channel = colour is Colour.per_channel
    scores = arrays.score(triple, profile, mask=inside, per_channel=by_channel)
    if inside is not None and (whole := [metric.label for metric in scores if not metric.local]):
        names = ", ".join(whole)
        say(f"{len(whole)} of {len(scores)} scores are of whole images, undefined in a mask: {names}", err=True)
    if as_json:
        say(json.dumps(arrays.as_json(scores), indent=1))
        return
    channels = ("R", "G", "B") if by_channel else ()
    rows = []
    for m, values in scores.items():
        score, *each = (f"{value:.{m.digits}f}" for value in (values.mean().item(), *values.tolist()))
        each = each if len(each) == len(channels) else [""] * len(channels)  # one score has no channels
        better = {True: "higher", False: "lower", None: ""}[m.higher_is_better]
        rows.append((m.label, score, *each, m.unit, better, m.source))
    headers = ("metric", "score", *channels, "unit", "better", "definition")
    say(tabulate(rows, headers=headers, disable_numparse=True))


@commands.command(
    name="explain", epilog="Example: fusebench explain data/CT data/MRI their/results --metric SSIM --value 1.31"
)
def explain_(
    a: Annotated[Path, typer.Argument(help="First source image, or a folder of them.")],
    b: Annotated[Path, typer.Argument(help="Second source image, or a folder.")],
    fused: Annotated[
        Path,
        typer.Argument(help="Their fusion, called fused for --window; or a folder: of three the mean is compared."),
    ],
    metric: Annotated[str, typer.Option(metavar="NAME", help="The metric's name.")],
    value: Annotated[str, typer.Option(metavar="NUMBER", help="The published number, with the digits it has there.")],
    window: Windows = None,
    axis: Axis = "axial",
    interpolation: Interpolation = "linear",
    volume: Volume = None,
    nan_background: NanBackground = False,
    orientation: Orientation = "radiological",
    pseudo_colour: PseudoColour = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Say which definition a published number was made with: the conventions of a metric, the nearest first.

    Those that give the number to its last digit are marked; exit code 1 if none does. Images in folders go together by
    their names.
    """
    from fusebench.bench import arrays
    from fusebench.bench.explain import explain, files
    from tabulate import tabulate

    reading = check_sources(
        reading_of(
            window,
            axis,
            interpolation,
            pseudo_colour,
            None,
            volume,
            nan_background=nan_background,
            orientation=orientation,
        ),
        *("a", "b", "fused"),
    )
    named = files(a, b, fused)
    with progress_bar() as progress:

        def triples() -> "Iterator[arrays.Images]":
            for done, paths in enumerate(named):
                progress("scoring", done, len(named))
                yield arrays.read_triple(*paths, reading, notice).grey

        candidates = explain(triples(), metric, value)
    if as_json:
        rows = [
            {**c._asdict(), "score": arrays.finite(c.score), "difference": arrays.finite(c.difference)}
            for c in candidates
        ]
        say(json.dumps(rows, indent=1))
    else:
        lines = [
            (c.label, f"{c.score:.6g}", f"{c.difference:.2g}", "yes" if c.matches else "", c.source) for c in candidates
        ]
        say(tabulate(lines, headers=("convention", "value", "off by", value, "definition"), disable_numparse=True))
    if len(named) > 1:
        say(f"means over {len(named)} images", err=True)
    if not any(c.matches for c in candidates):
        raise typer.Exit(complain(f"no convention of {metric} gives {value} on these images", 1))
