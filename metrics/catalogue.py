"""Every metric of the bench: one line each."""

from fusebench.metrics.base import Metric
from fusebench.metrics.mutual_information import EN, MI, Q_MI, M
from fusebench.metrics.spatial_frequency import SF

METRICS: tuple[Metric, ...] = (SF, EN, MI, M, Q_MI)
