"""What a model costs: its parameters, and its arithmetic for one image."""

import math

import keras


def multiply_adds(model) -> int:
    """Multiply-adds of all convolutions and fully connected layers for one image.

    This is what the papers and torchvision call FLOPs (4.1e9 for ResNet-50 at 224 x 224).

    Raises:
        ValueError: the model's input size is left open.

    Example:
        >>> import keras_resnet
        >>> round(keras_resnet.multiply_adds(keras_resnet.ResNet50()) / 1e9, 2)
        4.09
    """
    if None in model.input_shape[1:]:
        raise ValueError(f"{model.name} leaves its input size open; build it with input_shape.")
    return sum(
        _multiply_adds(layer) for layer in model.layers if isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense))
    )


def _multiply_adds(layer):
    """Each weight of a kernel is used once for each position of the output."""
    shape = layer.output.shape
    positions = math.prod(shape[1:]) // layer.kernel.shape[-1]
    return math.prod(layer.kernel.shape) * positions


def trainable_parameters(model) -> int:
    """The number of parameters that training changes, as the papers count them.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.models.complexity import trainable_parameters
        >>> trainable_parameters(keras_resnet.ResNet50())
        25557032
    """
    return sum(math.prod(variable.shape) for variable in model.trainable_variables)
