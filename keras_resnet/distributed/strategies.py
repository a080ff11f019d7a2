"""Selects the devices to train on: `tf.distribute` strategies by name."""

from collections.abc import Callable

import tensorflow as tf

from keras_resnet.distributed.workers import configured_workers
from keras_resnet.errors import first_line


def one_device() -> tf.distribute.Strategy:
    """The first GPU, or the CPU."""
    return tf.distribute.get_strategy()


def mirrored() -> tf.distribute.Strategy:
    """All GPUs of this machine, or all logical CPUs if it has no GPU."""
    if tf.config.list_logical_devices("GPU"):
        return tf.distribute.MirroredStrategy()
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    # Without ReductionToOneDevice, a second MirroredStrategy in the process breaks the first.
    return tf.distribute.MirroredStrategy(cpus, cross_device_ops=tf.distribute.ReductionToOneDevice())


def multi_worker() -> tf.distribute.Strategy:
    """All GPUs, or the CPU, of each worker in TF_CONFIG. Call it before anything else that uses TensorFlow.

    Raises:
        ValueError: TF_CONFIG is not set or invalid.
        OSError: the other workers did not respond.
    """
    if not configured_workers():
        raise ValueError("Training on several workers needs the environment variable TF_CONFIG, which is not set.")
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


def auto() -> tf.distribute.Strategy:
    """The workers in TF_CONFIG; else all GPUs (or logical CPUs) if this machine has several; else one device."""
    if configured_workers() > 1:
        return multi_worker()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return mirrored() if len(devices) > 1 else one_device()


STRATEGIES: dict[str, Callable[[], tf.distribute.Strategy]] = {
    "auto": auto,
    "one_device": one_device,
    "mirrored": mirrored,
    "multi_worker": multi_worker,
    "tpu": tpu,
}
