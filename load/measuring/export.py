"""The run's own figures for Prometheus, while it runs: on the loopback address, for whoever has a dashboard to look at."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from load.goals import STAGES
from load.measuring.histogram import Histogram
from load.measuring.measures import Measures

__all__ = ["Exporter"]

_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
Metric = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily


class Exporter(Collector):
    """Serves what a tally holds whenever somebody asks.

    The measures have to be those that are not drained: the master's, or a lone process's own.
    """

    def __init__(
        self, measures: Measures, port: int, address: str = "127.0.0.1", outstanding: Callable[[], int] | None = None
    ) -> None:
        """Serve these measures at this address; port 0 takes a free one. Workers' `outstanding` are told by who asks them."""
        self.measures, self.port, self.address = measures, port, address
        self._outstanding = outstanding or measures.delivery.outstanding
        self._server: WSGIServer | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> int:
        """Begin to serve; gives the port."""
        registry = CollectorRegistry()
        registry.register(self)
        self._server, self._thread = start_http_server(self.port, addr=self.address, registry=registry)
        self.port = self._server.server_port
        return self.port

    def stop(self) -> None:
        """End."""
        if self._server and self._thread:
            self._server.shutdown()
            self._server.server_close()
            self._thread.join(5)

    def collect(self) -> Iterator[Metric]:
        """Give the figures as they are now."""
        tally = self.measures.tally
        counts = CounterMetricFamily(
            "vigie_load_events", "What was offered, done, delivered, lost …", labels=["what", "window"]
        )
        for (window, name), number in list(tally.counts.items()):
            counts.add_metric([name, window], number)
        yield counts
        stages = HistogramMetricFamily("vigie_load_latency_seconds", "Latencies of messages", labels=["stage"])
        for stage in STAGES:
            stages.add_metric([stage], *_buckets(tally.stage(stage, None)))
        yield stages
        outstanding = GaugeMetricFamily("vigie_load_outstanding", "Deliveries and decryptions still to come")
        outstanding.add_metric([], self._outstanding())
        yield outstanding
        processor = GaugeMetricFamily("vigie_load_generator_processor", "Share of a core", labels=["worker"])
        latest = {worker: used for worker, _, used, _ in list(self.measures.health.series)}
        for worker, used in latest.items():
            processor.add_metric([worker], used)
        yield processor


def _buckets(histogram: Histogram) -> tuple[list[tuple[str, float]], float]:
    """Give Prometheus' cumulative buckets and the sum."""
    below = histogram.below(_BOUNDS)
    named = [(str(bound), float(number)) for bound, number in zip(_BOUNDS, below, strict=True)]
    total = float(histogram.total)
    return [*named, ("+Inf", total)], (histogram.mean() or 0.0) * total
