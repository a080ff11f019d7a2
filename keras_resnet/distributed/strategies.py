"""Selects the devices to train on: `tf.distribute` strategies by name."""

import functools
from collections.abc import Callable, Mapping

import tensorflow as tf

from keras_resnet.choices import WORKER_TIMEOUT
from keras_resnet.distributed.rendezvous import meet
from keras_resnet.distributed.workers import configured_cluster, configured_workers
from keras_resnet.errors import first_line


def one_device() -> tf.distribute.Strategy:
    """The first GPU, or the CPU."""
    return tf.distribute.get_strategy()


# https://github.com/tensorflow/tensorflow/issues/62790: each MirroredStrategy numbers its collectives from 100, and two
# strategies of one process take each other's for their own.
@functools.cache
def mirrored() -> tf.distribute.Strategy:
    """All GPUs of this machine, or all logical CPUs if it has no GPU: one strategy for the whole process.

    Example:
        >>> from keras_resnet.distributed.strategies import mirrored
        >>> mirrored() is mirrored()
        True
    """
    if tf.config.list_logical_devices("GPU"):
        return tf.distribute.MirroredStrategy()
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    # This needs no collectives, so a MirroredStrategy of the user's own does no harm.
    return tf.distribute.MirroredStrategy(cpus, cross_device_ops=tf.distribute.ReductionToOneDevice())


def multi_worker(
    description: Mapping[str, str] | None = None, timeout: float = WORKER_TIMEOUT
) -> tf.distribute.Strategy:
    """All GPUs, or the CPU, of each worker in TF_CONFIG. Call it before anything else that uses TensorFlow.

    Args:
        description: names and values that must be the same on all workers.
        timeout: seconds to wait for the other workers.

    Raises:
        ValueError: TF_CONFIG is not set or invalid, or the workers disagree.
        OSError: this worker's port is in use, or another worker did not start in time or has failed.
    """
    cluster = configured_cluster()
    if not cluster.addresses:
        raise ValueError("Training on several workers needs the environment variable TF_CONFIG, which is not set.")
    meet(cluster, description, timeout)
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise ConnectionError(f"Not all workers in TF_CONFIG responded ({first_line(error)}).") from None


def tpu() -> tf.distribute.Strategy:
    """All cores of this machine's TPU, or of the TPU that the environment names.

    Raises:
        ValueError: no TPU was found.
    """
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ValueError(f"No TPU was found ({first_line(error)}).") from None
    return tf.distribute.TPUStrategy(resolver)


def auto(description: Mapping[str, str] | None = None, timeout: float = WORKER_TIMEOUT) -> tf.distribute.Strategy:
    """The workers in TF_CONFIG; else all GPUs (or logical CPUs) if this machine has several; else one device.

    Args:
        description: as in `multi_worker`.
        timeout: as in `multi_worker`.

    Raises:
        ValueError: as in `multi_worker`.
        OSError: as in `multi_worker`.
    """
    if configured_workers() > 1:
        return multi_worker(description, timeout)
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return mirrored() if len(devices) > 1 else one_device()


STRATEGIES: dict[str, Callable[[], tf.distribute.Strategy]] = {
    "auto": auto,
    "one_device": one_device,
    "mirrored": mirrored,
    "multi_worker": multi_worker,
    "tpu": tpu,
}
