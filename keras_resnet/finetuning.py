"""freeze(): what a model has learned elsewhere and should keep."""


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
