"""Figures for Prometheus: requests by route and status, how long they take, what is under way."""

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from fsrfer.serving.live import Live
from fsrfer.serving.service import Service

SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Upper ends of the histogram's bins."""

MEDIA_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """The figures of one service."""

    def __init__(self, service: Service, live: Live):
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        self._registry.register(_UnderWay(service, live))
        self._requests = Counter(
            "fsrfer_requests", "Requests answered.", ["method", "route", "status"], registry=self._registry
        )
        self._seconds = Histogram(
            "fsrfer_request_seconds",
            "From a request's head to its answer.",
            ["route"],
            registry=self._registry,
            buckets=SECONDS,
        )
        self._pictures = Counter("fsrfer_pictures", "Pictures looked at.", registry=self._registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def pictures(self, count: int) -> None:
        """Count pictures."""
        self._pictures.inc(count)

    def text(self) -> bytes:
        """All figures, as Prometheus reads them."""
        return generate_latest(self._registry)


class _UnderWay(Collector):
    """What is so at the moment it is asked for."""

    def __init__(self, service: Service, live: Live):
        self._service, self._live = service, live

    def collect(self) -> list[Metric]:
        service = self._service
        facts = {
            "fsrfer_requests_under_way": ("Requests that are not answered yet.", service.admission.under_way),
            "fsrfer_upload_bytes_held": ("Memory that their bodies take.", service.admission.held),
            "fsrfer_videos_under_way": ("Videos that wait or are watched.", service.jobs.under_way),
            "fsrfer_live_sessions": ("Sessions of live frames.", self._live.sessions),
            "fsrfer_workers_alive": ("Workers that are ready.", service.pool.alive),
            "fsrfer_workers_lost": ("Workers that died or were ended over a picture.", service.pool.lost),
        }
        return [GaugeMetricFamily(name, words, value) for name, (words, value) in facts.items()]
