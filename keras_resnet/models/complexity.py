"""The cost of a model: its layers, parameters and arithmetic."""

import math
from collections.abc import Iterator

import keras

from keras_resnet.models.model import KERAS_MODEL
from keras_resnet.preprocessing import image_sides
from keras_resnet.rules import check

WEIGHTED = (keras.layers.Conv2D, keras.layers.Dense)
ARITHMETIC = (*WEIGHTED, keras.layers.Conv1D)  # that of ECA, along the channels


def multiply_adds(model: keras.Model) -> int:
    """Multiply-adds of all convolutions and fully connected layers for one image.

    The papers and torchvision call this FLOPs (4.1e9 for ResNet-50 at 224 x 224).

    Raises:
        ValueError: the model's input size is variable.

    Example:
        >>> import keras_resnet
        >>> round(keras_resnet.multiply_adds(keras_resnet.ResNet50()) / 1e9, 2)
        4.09
    """
    _check_size(model)
    return sum(_multiply_adds(layer) for layer in layers_of(model) if isinstance(layer, ARITHMETIC))


def _check_size(model: keras.Model) -> None:
    check("model", model, KERAS_MODEL)
    if None in image_sides(model):
        raise ValueError(f"{model.name} has a variable input size; build it with input_shape.")


def activations(model: keras.Model) -> int:
    """Values that all convolutions and fully connected layers output for one image, which training must keep.

    Source: Radosavovic et al. 2020, https://arxiv.org/abs/2003.13678, section 2; timm's tables count them so.

    Raises:
        ValueError: the model's input size is variable.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.models.complexity import activations
        >>> round(activations(keras_resnet.ResNet50()) / 1e6, 2)
        11.11
    """
    _check_size(model)
    return sum(math.prod(_output_shape(layer)) for layer in layers_of(model) if isinstance(layer, ARITHMETIC))


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
    """Each weight of the kernel is used once per output position."""
    positions = math.prod(_output_shape(layer)) // layer.kernel.shape[-1]
    return math.prod(layer.kernel.shape) * positions


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
    """The number of convolutions and fully connected layers, projections of shortcuts excluded.

    This is the depth in the names of the papers' networks.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.models.complexity import weighted_layers
        >>> weighted_layers(keras_resnet.ResNet50())
        50
    """
    return sum(isinstance(layer, WEIGHTED) and "shortcut" not in layer.name for layer in model.layers)
