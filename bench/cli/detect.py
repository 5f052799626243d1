"""Command for those who ask whether a fused image keeps the lesion: detect."""

from pathlib import Path
from typing import Annotated

import typer
from fusebench.bench.cli.app import (
    Jobs,
    Methods,
    Metrics,
    check_page,
    commands,
    jobs_or_cores,
    progress_bar,
    say,
    write_below,
)


@commands.command(name="detect", epilog="Example: fusebench detect --methods laplacian,nsst,gff --metrics SSIM,Q_ABF")
def detect_(
    methods: Methods = None,
    own: Annotated[
        list[str] | None, typer.Option(metavar="MODULE:NAME", help="A method of your own beside them; may be repeated.")
    ] = None,
    realisations: Annotated[
        int, typer.Option(metavar="N", help="Of the noise: even, at least 16. More narrow the intervals.")
    ] = 20,
    metrics: Metrics = None,
    jobs: Jobs = None,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a page, Markdown, besides.")] = None,
) -> None:
    """Say what each method keeps of lesions that one modality shows, from a synthetic head.

    Spots of known contrast, size and place, in noise: bright and dark in MRI, dense in CT, hot and cold in PET and
    SPECT. A channelised Hotelling observer measures d' in the sources and in each method's images; printed is the part
    of the source's d' that is kept, with its 95 % interval. Then: which metric ranks the methods alike? Without
    --methods every method of the suite `field` is measured, in 20 CPU minutes.
    """
    from fusebench.bench import detectability
    from fusebench.bench.catalogue import field
    from fusebench.bench.external import part
    from fusebench.bench.suite import narrowed
    from fusebench.datasets import phantom
    from fusebench.fusers.catalogue import make
    from fusebench.fusers.pixel.trivial import SourceA, SourceB
    from fusebench.metrics.profiles import chosen
    from tabulate import tabulate

    check_page(out)
    (suite,) = narrowed(field(phantom.entries(["CT-MRI"])[:1]), methods=methods).values()
    fusers = [fuser for fuser in part(suite.fusers)[0] if not isinstance(fuser, SourceA | SourceB)]
    fusers += [make(name) for name in own or ()]
    judged = [metric for metric in chosen(metrics or "default") if metric.higher_is_better is not None]
    with progress_bar() as progress:
        found = detectability.study(fusers, realisations, judged, jobs_or_cores(jobs), progress)
    say(tabulate(detectability.table(found), headers="keys", disable_numparse=True))
    agreed = detectability.agreement(found, judged)
    say(tabulate(agreed, headers=("metric", "Kendall's tau", "low", "high"), floatfmt="+.2f"))
    if out is not None:
        write_below(out, "detect", detectability.page(found, agreed, realisations), "Detectability")
        say(f"written: {out}", err=True)
