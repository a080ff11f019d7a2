"""ATTENTIONS: what scales the channels at the end of a residual branch."""

import math
from collections.abc import Callable

from keras import KerasTensor, layers

from keras_resnet.layers import channel_axis
from keras_resnet.models.style import Style, he_initializer


def squeeze_excite(x: KerasTensor, style: Style, *, name: str) -> KerasTensor:
    """Scales each channel by a weight computed from the whole image (Hu et al. 2017, https://arxiv.org/abs/1709.01507)."""
    filters = x.shape[channel_axis()]
    reduced = max(8, int(filters * style.se_ratio + 4) // 8 * 8)  # a multiple of 8, as in timm
    weights = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    weights = layers.Conv2D(reduced, 1, kernel_initializer=he_initializer(), name=f"{name}_reduce")(weights)
    weights = layers.ReLU(name=f"{name}_relu")(weights)
    weights = layers.Conv2D(
        filters, 1, activation="sigmoid", kernel_initializer=he_initializer(), name=f"{name}_expand"
    )(weights)
    return layers.Multiply(name=f"{name}_scale")([x, weights])


def efficient_channel_attention(x: KerasTensor, style: Style, *, name: str) -> KerasTensor:
    """Scales each channel by a weight computed from it and its neighbors (Wang et al. 2019, section 3.2.3).

    https://arxiv.org/abs/1910.03151. The more channels, the wider the convolution along them.
    """
    filters = x.shape[channel_axis()]
    size = int((math.log2(filters) + 1) / 2)
    size = max(3, size if size % 2 else size + 1)
    weights = layers.GlobalAveragePooling2D(name=f"{name}_pool")(x)
    weights = layers.Reshape((filters, 1), name=f"{name}_sequence")(weights)
    weights = layers.Conv1D(
        1,
        size,
        padding="same",
        data_format="channels_last",
        activation="sigmoid",
        use_bias=False,
        kernel_initializer=he_initializer(),
        name=f"{name}_conv",
    )(weights)
    shape = (1, 1, filters) if channel_axis() == -1 else (filters, 1, 1)
    weights = layers.Reshape(shape, name=f"{name}_weights")(weights)
    return layers.Multiply(name=f"{name}_scale")([x, weights])


ATTENTIONS: dict[str | None, tuple[str, Callable]] = {  # the suffix of the layers' names, and the function
    None: ("", lambda x, style, name: x),
    "se": ("se", squeeze_excite),
    "eca": ("eca", efficient_channel_attention),
}
