"""What the service counts, for Prometheus."""

try:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
    from prometheus_client.core import CounterMetricFamily
    from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
except ImportError as error:
    raise ImportError(
        "Expected prometheus_client, which the service counts with; it is not installed. "
        "Run: pip install 'traceformers[serve]'"
    ) from error

SECONDS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)
TEXTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096)
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class ServiceMetrics:
    """Counters of one service, in a registry of its own.

    Args:
        cache_counts (callable): returns hits and misses of the text cache since the start.

    The share of unknown ids is `rate(traceformers_unknown_ids_total[5m]) / rate(traceformers_ids_total[5m])`; it rises
    when texts drift away from what the encoder was trained on.
    """

    def __init__(self, cache_counts):
        self.registry = CollectorRegistry()
        make = {"registry": self.registry}
        self.requests = Counter("traceformers_requests", "Requests answered.", ["path", "status"], **make)
        self.in_flight = Gauge("traceformers_requests_in_flight", "Requests not answered yet.", **make)
        self.latency = Histogram(
            "traceformers_request_seconds",
            "From the head of a request to its answer.",
            ["path"],
            buckets=SECONDS,
            **make,
        )
        self.texts = Counter("traceformers_texts", "Texts encoded.", ["input_type"], **make)
        self.batches = Histogram("traceformers_batch_texts", "Texts encoded together.", buckets=TEXTS, **make)
        self.ids = Counter("traceformers_ids", "Vocabulary entries of the texts.", **make)
        self.unknown_ids = Counter(
            "traceformers_unknown_ids", "Entries that stand for unknown words: [UNK], pieces and buckets.", **make
        )
        self.registry.register(_CacheCounts(cache_counts))

    def exposition(self):
        """Returns all figures as Prometheus reads them, bytes."""
        return generate_latest(self.registry)


class _CacheCounts:
    """Reads the counts of the text cache when Prometheus asks for them."""

    def __init__(self, counts):
        self.counts = counts

    def collect(self):
        hits, misses = self.counts()
        yield CounterMetricFamily("traceformers_cache_hits", "Texts answered from the cache.", value=hits)
        yield CounterMetricFamily("traceformers_cache_misses", "Texts looked for in the cache in vain.", value=misses)
