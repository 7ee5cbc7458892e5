"""Metrics as Prometheus reads them. It imports prometheus-client: whoever needs it imports it when it is needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from wsrouter.observe.histogram import Histogram
from wsrouter.observe.metrics import METRICS, Metric, Samples

# Made without a registry: it is asked for each rendering anew. Linux only; elsewhere it tells nothing.
_PROCESS: Final = ProcessCollector(registry=None)


def render(samples: Samples, accept: str) -> tuple[str, bytes]:
    """The content type and the text, in the format that the client prefers by its `Accept`; may run in any thread."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(samples))
    registry.register(_PROCESS)
    encode, content_type = choose_encoder(accept)
    return content_type, encode(registry)


class _Families(Collector):
    """The samples, as the library collects them."""

    def __init__(self, samples: Samples) -> None:
        self._samples = samples

    def collect(self) -> Iterator[Family]:
        """Each metric of the table, also those without values yet."""
        for metric in METRICS:
            yield self._family(metric)

    def _family(self, metric: Metric) -> Family:
        samples = self._samples.get(metric.name, ())
        if metric.type == "histogram":
            histogram = HistogramMetricFamily(metric.name, metric.help, labels=metric.labels)
            for labels, value in samples:
                assert isinstance(value, Histogram)
                histogram.add_metric(labels, _buckets(value), value.sum)
            return histogram
        family = (CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily)(metric.name, metric.help, labels=metric.labels)
        for labels, value in samples:
            assert not isinstance(value, Histogram)
            family.add_metric(labels, value)
        return family


def _buckets(histogram: Histogram) -> list[tuple[str, float]]:
    """Each bound with how many values were up to it."""
    buckets, total = [], 0
    for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
        total += count
        buckets.append((floatToGoString(bound), float(total)))  # type: ignore[no-untyped-call]
    return buckets
