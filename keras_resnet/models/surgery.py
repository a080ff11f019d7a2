"""Changes to a built model: frozen layers, and images of any size."""

import keras
import numpy as np

from keras_resnet.errors import shown
from keras_resnet.models.model import KERAS_MODEL
from keras_resnet.rules import TEXT, check


def freeze(model: keras.Model, through: str) -> keras.Model:
    """Freezes a model's layers up to and including a part: no training of their weights and batch statistics.

    Args:
        model: a model of this package.
        through: the last part to freeze: "stem", "stage1", "stage2", ...

    Returns:
        The same model. Compile it (again) afterwards.

    Raises:
        ValueError: the model has no such part.

    Example:
        >>> import keras_resnet
        >>> model = keras_resnet.freeze(keras_resnet.ResNet18(), through="stage4")
        >>> [variable.path for variable in model.trainable_variables]
        ['logits/kernel', 'logits/bias']
    """
    check("model", model, KERAS_MODEL)
    check("through", through, TEXT)
    parts = parts_of(model)
    if not parts:
        inside = next((layer for layer in model.layers if isinstance(layer, keras.Model) and parts_of(layer)), None)
        hint = f"; freeze the network inside it, its layer {inside.name!r}" if inside else ""
        raise ValueError(f"{model.name} has none of the parts of this package's networks, as 'stem'{hint}.")
    if through not in parts:
        raise ValueError(f"{model.name} has no part {shown(through)}; its parts are {', '.join(parts)}.")
    frozen = parts[: parts.index(through) + 1]
    for layer in model.layers:
        layer.trainable = part_of(layer) not in frozen
    return model


def frozen_through(model: keras.Model) -> str | None:
    """The last part of a model that `freeze` froze; None for other models.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.models.surgery import frozen_through
        >>> frozen_through(keras_resnet.freeze(keras_resnet.ResNet18(), through="stage2"))
        'stage2'
    """
    with_weights = [layer for layer in model.layers if layer.weights]
    frozen = {part_of(layer) for layer in with_weights if not layer.trainable}
    frozen -= {part_of(layer) for layer in with_weights if layer.trainable}
    parts = parts_of(model)
    return next((part for end, part in enumerate(parts, 1) if frozen == set(parts[:end])), None)


def parts_of(model: keras.Model) -> list[str]:
    """The parts of a network in their order: "stem", "stage1", ...; none for models of other packages.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.models.surgery import parts_of
        >>> parts_of(keras_resnet.ResNet20Cifar())
        ['stem', 'stage1', 'stage2', 'stage3']
    """
    found = {part for layer in model.layers if (part := part_of(layer))}
    return sorted(found, key=lambda part: (part != "stem", len(part), part))


def part_of(layer: keras.layers.Layer) -> str | None:
    """The part of the network that a layer belongs to: "stem", "stage1", ...; None for the input and the head."""
    part = layer.name.partition("_")[0]
    return part if part.startswith(("stem", "stage")) else None


def fully_convolutional(model: keras.Model) -> keras.Model:
    """The model for images of any size. It shares the layers, except for the normalization.

    The classifier after global average pooling equals a 1x1 convolution before it. A mean image, whose size is
    fixed, is replaced by its mean per channel.

    Raises:
        ValueError: the model needs its input size, for example because it flattens.
    """
    channels = model.input_shape[-1]
    images = keras.Input((None, None, channels), dtype=model.inputs[0].dtype)
    try:
        wide = keras.models.clone_model(model, input_tensors=images, clone_function=_for_any_size)
        wide(keras.ops.zeros((1, 64, 96, channels)))  # some layers notice another size only when they are called
    except ValueError as error:
        raise ValueError(f"{model.name} cannot take images of any size, as multi-scale evaluation needs.") from error
    return wide


def _for_any_size(layer: keras.layers.Layer) -> keras.layers.Layer:
    """The layer itself, or a normalization by a mean image as one by channel."""
    if not isinstance(layer, keras.layers.Rescaling):
        return layer
    config = layer.get_config()
    for name in ("scale", "offset"):
        if np.ndim(config[name]) == 3:
            config[name] = np.mean(config[name], axis=(0, 1)).tolist()
    return type(layer).from_config(config)
