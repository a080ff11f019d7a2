"""What all layers share: types, the channel axis, and how they are registered with Keras."""

from collections.abc import Callable
from typing import Any, TypeVar

import keras

Tensor = Any  # of Keras's backend
Shape = tuple[Any, ...]  # None where a size is variable
Class = TypeVar("Class", bound=type)


def channel_axis() -> int:
    """The channel axis of a batch of images: -1, or 1 if Keras's image data format is "channels_first"."""
    return -1 if keras.config.image_data_format() == "channels_last" else 1


def only_cpus() -> bool:
    """Whether Keras has no other device than CPUs."""
    return all(device.startswith("cpu") for device in keras.distribution.list_devices())


def replaces(stock: type) -> Callable[[Class], Class]:
    """Registers a class with Keras as a replacement of its own class of the same name.

    A `.keras` file names a class in two ways: by the name that it is registered under, which counts where this package
    is imported, and else by its module and name. With the module of Keras's own class, the file opens without this
    package as well, and then computes with Keras's class.

    Example:
        >>> import keras, keras_resnet
        >>> config = keras.saving.serialize_keras_object(keras_resnet.layers.Conv2D(8, 3))
        >>> config["registered_name"], config["module"] == keras.layers.Conv2D.__module__
        ('keras_resnet>Conv2D', True)
    """

    def register(cls: Class) -> Class:
        cls.__module__ = stock.__module__
        return keras.saving.register_keras_serializable(package="keras_resnet")(cls)

    return register
