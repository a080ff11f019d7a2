"""The workers that train one model: who this process is, its shard of the data, and agreement with the others."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import tensorflow as tf

from keras_resnet.distributed.sharding import shard_bounds, split_into_shards

PIECE = 1 << 23  # values that workers sum at once: 64 MiB
TASKS = ("chief", "worker")  # of TF_CONFIG, in the order in which TensorFlow counts them


@dataclasses.dataclass(frozen=True)
class Cluster:
    """The workers in TF_CONFIG.

    Attributes:
        addresses: of all workers ("host:port"), by index; empty if TF_CONFIG is not set.
        index: of this worker, from 0.

    Example:
        >>> from keras_resnet.distributed.workers import Cluster
        >>> cluster = Cluster(("10.0.0.1:2222", "10.0.0.2:2222"), index=0)
        >>> cluster.name(1)
        'worker 1 (10.0.0.2:2222)'
        >>> cluster.host_and_port(1)
        ('10.0.0.2', 2222)
    """

    addresses: tuple[str, ...]
    index: int

    def name(self, index: int) -> str:
        """How messages call a worker."""
        return f"worker {index} ({self.addresses[index]})"

    def host_and_port(self, index: int) -> tuple[str, int]:
        """The two parts of a worker's address."""
        host, port = self.addresses[index].rsplit(":", 1)
        return host.strip("[]"), int(port)  # the brackets of an IPv6 address


def configured_cluster() -> Cluster:
    """The workers in the environment variable TF_CONFIG.

    Raises:
        ValueError: TF_CONFIG is invalid.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return Cluster((), 0)
    try:
        config = json.loads(text)
        chiefs, others = (tuple(config.get("cluster", {}).get(task, ())) for task in TASKS)
        task = config.get("task", {"type": "worker", "index": 0})
        before = (0, len(chiefs))[TASKS.index(task["type"])]
        cluster = Cluster(chiefs + others, before + int(task["index"]))
        for index in range(len(cluster.addresses)):
            cluster.host_and_port(index)
    except (ValueError, LookupError, AttributeError, TypeError):
        raise ValueError(
            'TF_CONFIG must be JSON such as {"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
            f'"task": {{"type": "worker", "index": 0}}}}, not {text!r}.'
        ) from None
    if cluster.addresses and not 0 <= cluster.index < len(cluster.addresses):
        raise ValueError(f"TF_CONFIG has {len(cluster.addresses)} workers, and none of index {cluster.index}.")
    return cluster


def configured_workers() -> int:
    """The number of workers in the environment variable TF_CONFIG; 0 if it is not set.

    Raises:
        ValueError: TF_CONFIG is invalid.
    """
    return len(configured_cluster().addresses)


class Worker:
    """This process as one of the workers that train one model.

    Args:
        strategy: any `tf.distribute.Strategy`; only MultiWorkerMirroredStrategy has several workers.

    Attributes:
        strategy: as given.
        index: of this worker, from 0.
        addresses: of all workers ("host:port"), by index; empty if there is only one.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.distributed.workers import Worker
        >>> Worker(tf.distribute.get_strategy()).is_chief
        True
    """

    def __init__(self, strategy: tf.distribute.Strategy) -> None:
        self.strategy = strategy
        self.index = 0
        self.addresses: tuple[str, ...] = ()
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            resolver = strategy.cluster_resolver
            cluster = resolver.cluster_spec().as_dict()
            self.addresses = tuple(address for task in TASKS for address in cluster.get(task, ()))
            chiefs = len(cluster.get("chief", ())) if resolver.task_type == "worker" else 0
            self.index = chiefs + (resolver.task_id or 0)
        self._sum = tf.function(self._sum_over_workers)

    @property
    def count(self) -> int:
        """The number of workers."""
        return max(1, len(self.addresses))

    @property
    def several(self) -> bool:
        """Whether there are other workers."""
        return self.count > 1

    @property
    def is_chief(self) -> bool:
        """Whether this worker writes the run directory."""
        return self.index == 0

    @property
    def suffix(self) -> str:
        """Suffix for files that each worker writes: "" for the chief, else ".worker1", ".worker2", ..."""
        return "" if self.is_chief else f".worker{self.index}"

    def distribute(self, batches_of: Callable[[tuple[int, int]], tf.data.Dataset]) -> tf.data.Dataset:
        """The dataset to pass to `fit`.

        Args:
            batches_of: function of a shard (index, count) that makes the batches of that shard. Each worker calls it
                for its own shard.
        """
        if not self.several:
            return batches_of((0, 1))

        def on_this_worker(context):
            batches = batches_of((context.input_pipeline_id, context.num_input_pipelines))
            return split_into_shards(batches, context.num_replicas_in_sync // context.num_input_pipelines)

        return self.strategy.distribute_datasets_from_function(on_this_worker)

    def part(self, size: int) -> tuple[int, int]:
        """The bounds (start, end) of this worker's part of `size` examples; the parts differ by at most 1.

        Example:
            >>> import tensorflow as tf
            >>> from keras_resnet.distributed.workers import Worker
            >>> Worker(tf.distribute.get_strategy()).part(50_000)
            (0, 50000)
        """
        return shard_bounds(size, self.index, self.count)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """The sum over all workers. All must call this at the same time; each waits for the others.

        Args:
            values: an array that is not empty, int64 or float64, of the same shape on all workers.
        """
        if not self.several:
            return values
        pieces = np.array_split(values.ravel(), -(-values.size // PIECE))
        return np.concatenate([self._sum(tf.constant(piece)).numpy() for piece in pieces]).reshape(values.shape)

    def gather(self, content: Any) -> list[Any]:
        """What each worker has given, in order. All must call this at the same time; each waits for the others.

        Args:
            content: anything that JSON can represent.
        """
        encoded = np.frombuffer(json.dumps(content).encode(), "uint8")
        lengths = np.zeros(self.count, "int64")
        lengths[self.index] = len(encoded)
        lengths = self.sum(lengths)
        rows = np.zeros((self.count, lengths.max()), "int64")
        rows[self.index, : len(encoded)] = encoded
        return [
            json.loads(row[:length].astype("uint8").tobytes())
            for row, length in zip(self.sum(rows), lengths, strict=True)
        ]

    def any(self, *flags: bool) -> list[bool]:
        """For each flag, whether it is true on any worker. All must call this at the same time."""
        return (self.sum(np.array(flags, "int64")) > 0).tolist()

    def check_agreement(self, values: Iterable[int], what: str) -> None:
        """Checks that all workers have the same values. All must call this at the same time; each waits for the others.

        Args:
            values: integers.
            what: the end of the error message: what must agree, and how to fix it.

        Raises:
            ValueError: the values differ.
        """
        own = np.array([int(value) for value in values], "int64")
        if (self.sum(own) != self.count * own).any():
            raise ValueError(f"Worker {self.index} ({self.addresses[self.index]}) and the others disagree: {what}")

    def _sum_over_workers(self, values: tf.Tensor) -> tf.Tensor:
        """The first replica of each worker gives the values, the others zeros."""
        replicas = self.strategy.num_replicas_in_sync // self.count

        def of_replica():
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            return tf.where(number % replicas == 0, values, tf.zeros_like(values))

        return self.strategy.reduce("SUM", self.strategy.run(of_replica), axis=None)
