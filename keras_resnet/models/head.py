"""The layers after the last stage. They run in float32, whatever the mixed-precision policy."""

from collections.abc import Callable

from keras import KerasTensor, layers

from keras_resnet.models.style import he_initializer

POOLINGS = {
    None: lambda x: x,
    "avg": lambda x: layers.GlobalAveragePooling2D(dtype="float32", name="avg_pool")(x),
    "max": lambda x: layers.GlobalMaxPooling2D(dtype="float32", name="max_pool")(x),
}


def classifier(
    x: KerasTensor, classes: int, dropout: float, classifier_activation: str | Callable | None
) -> KerasTensor:
    """Global average pooling, dropout and a fully connected layer."""
    x = POOLINGS["avg"](x)
    x = layers.Dropout(dropout, dtype="float32", name="dropout")(x) if dropout else x
    x = layers.Dense(classes, kernel_initializer=he_initializer(), dtype="float32", name="logits")(x)
    if classifier_activation in (None, "linear"):
        return x
    return layers.Activation(classifier_activation, dtype="float32", name="predictions")(x)
