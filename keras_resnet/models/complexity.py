"""The cost of a model: its layers, parameters and arithmetic."""

import math
from collections.abc import Iterator

import keras

from keras_resnet.models.model import KERAS_MODEL
from keras_resnet.preprocessing import image_sides
from keras_resnet.rules import check

WEIGHTED = (keras.layers.Conv2D, keras.layers.Dense)
ARITHMETIC = (
    *WEIGHTED,
    keras.layers.Conv1D,  # that of ECA, along the channels
    keras.layers.DepthwiseConv2D,
    keras.layers.SeparableConv2D,
)
KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
BESIDES = ("shortcut", "_se_")  # in the names of layers that are beside the path from the image to the classifier


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of all convolutions and fully connected layers for one image.

    The papers and torchvision call this FLOPs (4.1e9 for ResNet-50 at 224 x 224).

    Raises:
        ValueError: the model's input size is variable, or it has a convolution that is not counted (transposed).

    Example:
        >>> import keras_resnet
        >>> round(keras_resnet.multiply_adds(keras_resnet.ResNet50()) / 1e9, 2)
        4.09
    """
    return sum(map(_multiply_adds, _arithmetic_layers(model)))


def _arithmetic_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The convolutions and fully connected layers of a model of fixed size."""
    _check_size(model)
    for layer in layers_of(model):
        if isinstance(layer, ARITHMETIC):
            yield layer
        elif hasattr(layer, "kernel_size"):
            raise ValueError(f"{layer.name} is a {type(layer).__name__}, whose operations are not counted.")


def _check_size(model: keras.Model) -> None:
    check("model", model, KERAS_MODEL)
    if None in image_sides(model):
        raise ValueError(f"{model.name} has a variable input size; build it with input_shape.")


def activations(model: keras.Model) -> int:
    """Values that all convolutions and fully connected layers output for one image, which training must keep.

    Source: Radosavovic et al. 2020, https://arxiv.org/abs/2003.13678, section 2; timm's tables count them so.

    Raises:
        ValueError: as by `multiply_adds`.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.models.complexity import activations
        >>> round(activations(keras_resnet.ResNet50()) / 1e6, 2)
        11.11
    """
    return sum(math.prod(_output_shape(layer)) for layer in _arithmetic_layers(model))


def layers_of(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model, also those of models inside it.

    Example:
        >>> import keras, keras_resnet
        >>> from keras_resnet.models.complexity import layers_of
        >>> net = keras.Sequential([keras_resnet.ResNet20Cifar(include_top=False), keras.layers.Flatten()])
        >>> next(layers_of(net)).name
        'image'
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from layers_of(layer)
        else:
            yield layer


def _multiply_adds(layer: keras.layers.Layer) -> int:
    """Each weight of a kernel is used once per output position."""
    shape = _output_shape(layer)
    channels = shape[0 if getattr(layer, "data_format", None) == "channels_first" else -1]
    kernels = [getattr(layer, name) for name in KERNELS if hasattr(layer, name)]
    return sum(math.prod(kernel.shape) for kernel in kernels) * (math.prod(shape) // channels)


def _output_shape(layer: keras.layers.Layer) -> tuple[int, ...]:
    shape = layer.output.shape[1:]
    if None in shape:
        raise ValueError(f"{layer.name} has a variable output size {shape}; build the model inside with input_shape.")
    return shape


def trainable_parameters(model: keras.Model) -> int:
    """The number of trainable parameters, which the papers report.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.models.complexity import trainable_parameters
        >>> trainable_parameters(keras_resnet.ResNet50())
        25557032
    """
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)


def weighted_layers(model: keras.Model) -> int:
    """The number of convolutions and fully connected layers, without projections of shortcuts and SE blocks.

    This is the depth in the names of the papers' networks. Those of models inside the model count, too.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.models.complexity import weighted_layers
        >>> weighted_layers(keras_resnet.ResNet50())
        50
    """
    return sum(
        isinstance(layer, WEIGHTED) and not any(part in layer.name for part in BESIDES) for layer in layers_of(model)
    )
