"""Every metric of the bench, family by family: one line each."""

from fusebench.metrics import (
    edge_transfer,
    multiscale_edge,
    mutual_information,
    perceptual,
    phase_congruency,
    spatial_frequency,
    structural_similarity,
    visual_information_fidelity,
)
from fusebench.metrics.base import Metric

METRICS: tuple[Metric, ...] = (
    *spatial_frequency.RECORDS,
    *mutual_information.RECORDS,
    *edge_transfer.RECORDS,
    *multiscale_edge.RECORDS,
    *phase_congruency.RECORDS,
    *structural_similarity.RECORDS,
    *visual_information_fidelity.RECORDS,
    *perceptual.RECORDS,
)
