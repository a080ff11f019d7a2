"""TODO distributed.workers."""

import json
import os

import tensorflow as tf

from keras_resnet.distributed.sharding import split

TASKS = ("chief", "worker")  # of TF_CONFIG, in the order in which TensorFlow counts them


def configured_workers() -> int:
    """How many workers the environment variable TF_CONFIG names; 0 without it.

    Raises:
        ValueError: it is not what TensorFlow understands.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        return 0
    try:
        return sum(len(json.loads(text).get("cluster", {}).get(task, ())) for task in TASKS)
    except (ValueError, AttributeError, TypeError):
        raise ValueError(
            'TF_CONFIG must be JSON as {"cluster": {"worker": ["host0:2222", "host1:2222"]}, '
            f'"task": {{"type": "worker", "index": 0}}}}, not {text!r}.'
        ) from None


class Worker:
    """This process among those that train one model under a strategy.

    Args:
        strategy: any `tf.distribute.Strategy`; only MultiWorkerMirroredStrategy has several workers.

    Example:
        >>> import tensorflow as tf
        >>> from keras_resnet.distributed.workers import Worker
        >>> Worker(tf.distribute.get_strategy()).is_chief
        True
    """

    def __init__(self, strategy):
        self.strategy = strategy
        self.index, self.addresses = 0, ()
        if isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):
            resolver = strategy.cluster_resolver
            cluster = resolver.cluster_spec().as_dict()
            self.addresses = tuple(address for task in TASKS for address in cluster.get(task, ()))
            before = len(cluster.get("chief", ())) if resolver.task_type == "worker" else 0
            self.index = before + (resolver.task_id or 0)
        self._sum = tf.function(self._sum_over_replicas)

    @property
    def several(self) -> bool:
        """Whether there are other workers."""
        return len(self.addresses) > 1

    @property
    def is_chief(self) -> bool:
        """Whether this is the worker that writes the run directory."""
        return self.index == 0

    @property
    def suffix(self) -> str:
        """Suffix for names of files that each worker writes: "" for the chief, else ".worker1", ".worker2", ..."""
        return "" if self.is_chief else f".worker{self.index}"

    def distribute(self, batches_of):
        """What `fit` takes: `batches_of(shard)`, of which each worker makes its own shard, (index, count)."""
        if not self.several:
            return batches_of((0, 1))

        def on_this_worker(context):
            batches = batches_of((context.input_pipeline_id, context.num_input_pipelines))
            return split(batches, context.num_replicas_in_sync // context.num_input_pipelines)

        return self.strategy.distribute_datasets_from_function(on_this_worker)

    def any(self, *flags: bool) -> list[bool]:
        """Of each flag, whether any worker raises it. All must ask at the same time."""
        return [total > 0 for total in self._total(flags)] if self.several else [bool(flag) for flag in flags]

    def check_agreement(self, values, what: str) -> None:
        """All workers must call this at the same time, with the same whole numbers; it is a meeting point, too.

        Raises:
            ValueError: the numbers differ; `what` says what they stand for.
        """
        values = [int(value) for value in values]
        if self.several and (self._total(values) != [value * self.strategy.num_replicas_in_sync for value in values]):
            raise ValueError(f"Worker {self.index} ({self.addresses[self.index]}) and the others disagree: {what}")

    def _total(self, values):
        return self._sum(tf.constant(values, tf.int64)).numpy().tolist()

    def _sum_over_replicas(self, values):
        return self.strategy.reduce("SUM", self.strategy.run(lambda: tf.identity(values)), axis=None)
