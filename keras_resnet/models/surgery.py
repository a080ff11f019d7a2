"""freeze(): what a model has learned elsewhere and should keep."""

import keras
import numpy as np


def freeze(model, through: str):
    """Makes the layers up to the end of a part untrainable; their batch normalization then keeps its statistics.

    Args:
        model: a model of this package.
        through: "stem", or a stage: "stage1", "stage2", ... Everything before it is frozen, too.

    Returns:
        The model. Compile it (again) afterwards.

    Raises:
        ValueError: the model has no such part.

    Example:
        >>> import keras_resnet
        >>> model = keras_resnet.freeze(keras_resnet.ResNet18(), through="stage4")
        >>> [variable.path for variable in model.trainable_variables]
        ['logits/kernel', 'logits/bias']
    """
    parts = sorted({part_of(layer) for layer in model.layers} - {None}, key=lambda part: (part != "stem", part))
    if through not in parts:
        raise ValueError(f"{model.name} has no part {through!r}; it has {', '.join(parts)}.")
    frozen = parts[: parts.index(through) + 1]
    for layer in model.layers:
        layer.trainable = part_of(layer) not in frozen
    return model


def part_of(layer) -> str | None:
    """The part of the network that a layer belongs to: "stem", "stage1", ...; None for its input and head."""
    part = layer.name.partition("_")[0]
    return part if part.startswith(("stem", "stage")) else None


def fully_convolutional(model):
    """The model, with its layers, for images of any size.

    Its classifier after the average over all places is the same as a 1x1 convolution before it. A mean image, which
    has a size, is replaced by the mean of its pixels, a value for each channel.

    Raises:
        ValueError: the model has no such form, as one that flattens.
    """

    def layer_for_any_size(layer):
        if not isinstance(layer, keras.layers.Rescaling):
            return layer
        config = layer.get_config()
        for name in ("scale", "offset"):
            if np.ndim(config[name]) == 3:
                config[name] = np.mean(config[name], axis=(0, 1)).tolist()
        return type(layer).from_config(config)

    channels = model.input_shape[-1]
    images = keras.Input((None, None, channels), dtype=model.inputs[0].dtype)
    try:
        wide = keras.models.clone_model(model, input_tensors=images, clone_function=layer_for_any_size)
        wide(keras.ops.zeros((1, 64, 96, channels)))  # some layers see only now that the size is not theirs
        return wide
    except ValueError as error:
        raise ValueError(f"{model.name} cannot take images of any size, which multi-scale needs.") from error
