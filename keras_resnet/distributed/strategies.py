"""Which devices to train on: names for `tf.distribute` strategies."""

import tensorflow as tf

from keras_resnet.distributed.workers import configured_workers
from keras_resnet.errors import first_line


def one_device():
    """The first GPU, or the CPU."""
    return tf.distribute.get_strategy()


def mirrored():
    """All GPUs of this worker, or all logical CPUs where there is no GPU."""
    if tf.config.list_logical_devices("GPU"):
        return tf.distribute.MirroredStrategy()
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    # Without ReductionToOneDevice a second MirroredStrategy in the process breaks the first.
    return tf.distribute.MirroredStrategy(cpus, cross_device_ops=tf.distribute.ReductionToOneDevice())


def multi_worker():
    """All GPUs, or the CPU, of each of the workers in TF_CONFIG; must come before TensorFlow does anything else.

    Raises:
        ValueError: there is no TF_CONFIG, or it cannot be read.
        OSError: the other workers did not answer.
    """
    if not configured_workers():
        raise ValueError("Several workers find each other by the environment variable TF_CONFIG, which is not set.")
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except tf.errors.OpError as error:
        raise ConnectionError(f"The workers of TF_CONFIG did not all answer ({first_line(error)}).") from None


def tpu():
    """All cores of the TPU of this machine, or of the one that the environment names.

    Raises:
        ValueError: there is none.
    """
    try:
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver.connect()
    except (tf.errors.OpError, ValueError, RuntimeError) as error:
        raise ValueError(f"No TPU was found ({first_line(error)}).") from None
    return tf.distribute.TPUStrategy(resolver)


def auto():
    """The workers of TF_CONFIG; else all GPUs (or logical CPUs) of this machine if it has several; else one device."""
    if configured_workers() > 1:
        return multi_worker()
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return mirrored() if len(devices) > 1 else one_device()


STRATEGIES = {
    "auto": auto,
    "one_device": one_device,
    "mirrored": mirrored,
    "multi_worker": multi_worker,
    "tpu": tpu,
}
