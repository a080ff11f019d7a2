"""Counters and histograms in the text format of Prometheus."""

import abc
import bisect
import collections
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)  # limits of the buckets
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)

Values = Mapping[tuple[str, ...], float]  # a number by the values of the labels


class Metric(abc.ABC):
    """A measured quantity: a value for each combination of labels.

    Args:
        name: in the format's characters, with the unit.
        text: what is measured.
        labels: names of the labels.
    """

    kind: str

    def __init__(self, name: str, text: str, *labels: str) -> None:
        self.name = name
        self.text = text
        self.labels = labels

    def lines(self) -> Iterator[str]:
        """The lines of the metric in the text format."""
        yield f"# HELP {self.name} {self.text}"
        yield f"# TYPE {self.name} {self.kind}"
        yield from self.samples()

    @abc.abstractmethod
    def samples(self) -> Iterator[str]:
        """A line for each value."""

    def sample(self, values: Sequence[str], value: float, suffix: str = "", **more: str) -> str:
        """A line of the text format."""
        pairs = [*zip(self.labels, values, strict=True), *more.items()]
        labels = ",".join(f'{label}="{_escaped(text)}"' for label, text in pairs)
        return f"{self.name}{suffix}{{{labels}}} {value:.12g}" if pairs else f"{self.name}{suffix} {value:.12g}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


class Counter(Metric):
    r"""A count that only grows.

    Example:
        >>> from keras_resnet.serving.metrics import Counter
        >>> requests = Counter("requests_total", "Number of requests.", "code")
        >>> requests.add("200")
        >>> print("\n".join(requests.lines()))
        # HELP requests_total Number of requests.
        # TYPE requests_total counter
        requests_total{code="200"} 1
    """

    kind = "counter"

    def __init__(self, name: str, text: str, *labels: str) -> None:
        super().__init__(name, text, *labels)
        self.counts: collections.Counter = collections.Counter()

    def add(self, *values: str, count: int = 1) -> None:
        """Adds to the count of these values of the labels."""
        self.counts[values] += count

    def samples(self) -> Iterator[str]:
        for values, count in sorted(self.counts.items()):
            yield self.sample(values, count)


class Gauge(Metric):
    """Current values, which the function `read` returns by the values of the labels."""

    kind = "gauge"

    def __init__(self, name: str, text: str, read: Callable[[], Values], *labels: str) -> None:
        super().__init__(name, text, *labels)
        self.read = read

    def samples(self) -> Iterator[str]:
        for values, number in self.read().items():
            yield self.sample(values, number)


class Histogram(Metric):
    """The distribution of a quantity over buckets, its sum and its count.

    Args:
        name: in the format's characters, with the unit.
        text: what is measured.
        buckets: upper limits, increasing.
        labels: names of the labels.
    """

    kind = "histogram"

    def __init__(self, name: str, text: str, buckets: Sequence[float], *labels: str) -> None:
        super().__init__(name, text, *labels)
        self.buckets = buckets
        self.counts: dict[tuple[str, ...], list[int]] = {}  # the last one: above all limits
        self.sums: collections.Counter = collections.Counter()

    def add(self, *values: str, measured: float) -> None:
        """Adds a measured value."""
        counts = self.counts.setdefault(values, [0] * (len(self.buckets) + 1))
        counts[bisect.bisect_left(self.buckets, measured)] += 1
        self.sums[values] += measured  # type: ignore[assignment]

    def samples(self) -> Iterator[str]:
        limits = [*(f"{limit:g}" for limit in self.buckets), "+Inf"]
        for values, counts in sorted(self.counts.items()):
            for limit, count in zip(limits, itertools.accumulate(counts), strict=True):
                yield self.sample(values, count, "_bucket", le=limit)
            yield self.sample(values, self.sums[values], "_sum")
            yield self.sample(values, sum(counts), "_count")


class Metrics:
    """What a service measures.

    Args:
        under_way: a function that returns the number of requests under way, without labels.
        waiting: a function that returns the number of images that wait for each model, by its name.

    Example:
        >>> from keras_resnet.serving.metrics import Metrics
        >>> print(Metrics(lambda: {(): 1}, lambda: {("net",): 3}).text().splitlines()[-1])
        keras_resnet_queue_images{model="net"} 3
    """

    def __init__(self, under_way: Callable[[], Values], waiting: Callable[[], Values]) -> None:
        prefix = "keras_resnet"
        self.requests = Counter(f"{prefix}_requests_total", "Number of requests.", "path", "code")
        self.seconds = Histogram(
            f"{prefix}_request_duration_seconds", "Time to answer a request, seconds.", SECONDS, "path"
        )
        self.images = Counter(f"{prefix}_images_total", "Number of images that a model has computed.", "model")
        self.batches = Histogram(f"{prefix}_batch_images", "Number of images in a batch.", IMAGES, "model")
        self.under_way = Gauge(f"{prefix}_requests_under_way", "Number of requests under way.", under_way)
        self.waiting = Gauge(f"{prefix}_queue_images", "Number of images that wait for a model.", waiting, "model")

    def text(self) -> str:
        """All metrics in the text format."""
        metrics = (self.requests, self.seconds, self.images, self.batches, self.under_way, self.waiting)
        return "\n".join([*(line for metric in metrics for line in metric.lines()), ""])
