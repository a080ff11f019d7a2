"""Which devices to train on: names for `tf.distribute` strategies."""

import tensorflow as tf


def one_device():
    """The first GPU, or the CPU."""
    return tf.distribute.get_strategy()


def mirrored():
    """All GPUs of this host, or all logical CPUs where there is no GPU."""
    if tf.config.list_logical_devices("GPU"):
        return tf.distribute.MirroredStrategy()
    cpus = [device.name for device in tf.config.list_logical_devices("CPU")]
    # Without ReductionToOneDevice a second MirroredStrategy in the process breaks the first.
    return tf.distribute.MirroredStrategy(cpus, cross_device_ops=tf.distribute.ReductionToOneDevice())


def auto():
    """All GPUs of this host (or logical CPUs) where there are several, else the one device."""
    devices = tf.config.list_logical_devices("GPU") or tf.config.list_logical_devices("CPU")
    return mirrored() if len(devices) > 1 else one_device()


STRATEGIES = {"auto": auto, "one_device": one_device, "mirrored": mirrored}
