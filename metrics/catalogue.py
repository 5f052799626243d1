"""Every metric of the bench, family by family: one line each."""

from fusebench.metrics import (
    contrast,
    cross_entropy,
    edge_transfer,
    error,
    feature_mutual_information,
    fusion_quality,
    multiscale_edge,
    mutual_information,
    nonlinear_correlation,
    perceptual,
    phase_congruency,
    spatial_frequency,
    structural_similarity,
    tsallis,
    visual_information_fidelity,
)
from fusebench.metrics.base import Metric

METRICS: tuple[Metric, ...] = (
    *spatial_frequency.RECORDS,
    *contrast.RECORDS,
    *mutual_information.RECORDS,
    *cross_entropy.RECORDS,
    *tsallis.RECORDS,
    *nonlinear_correlation.RECORDS,
    *feature_mutual_information.RECORDS,
    *edge_transfer.RECORDS,
    *multiscale_edge.RECORDS,
    *phase_congruency.RECORDS,
    *error.RECORDS,
    *structural_similarity.RECORDS,
    *fusion_quality.RECORDS,
    *visual_information_fidelity.RECORDS,
    *perceptual.RECORDS,
)
