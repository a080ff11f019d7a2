"""STEMS: the layers in front of the first stage."""

from collections.abc import Sequence

from keras import KerasTensor, layers

from keras_resnet.layers import BlurPool, PaddedMaxPooling2D
from keras_resnet.models.style import Conv, Style, conv_norm_act, convolution


def max_pool(x: KerasTensor, style: Style, *, zeros: bool = False) -> KerasTensor:
    """3x3 max pooling of stride 2, padded with minus infinity, or with zeros.

    With anti-aliasing, either of stride 1 and then blurred (Zhang 2019, figure 4), or, as in timm, 2x2 average pooling.
    """
    if style.anti_alias == "average":
        return layers.AveragePooling2D(2, name="stem_pool")(x)
    strides = 1 if style.anti_alias == "blur" else 2
    if style.padding == "same":
        x = layers.MaxPooling2D(3, strides, padding="same", name="stem_pool")(x)
    elif zeros or style.layout == "keras_v2" or (style.activation == "relu" and not style.preactivation):
        # After a ReLU, zero padding never changes the maximum; keras.applications' v2 was trained with it.
        x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
        x = layers.MaxPooling2D(3, strides, name="stem_pool")(x)
    else:
        x = PaddedMaxPooling2D(3, strides, name="stem_pool")(x)
    return BlurPool(name="stem_blur")(x) if style.anti_alias == "blur" else x


def single_convolution(x: KerasTensor, conv: Conv, style: Style) -> KerasTensor:
    """One convolution; in v2 the first block normalizes its output."""
    if style.preactivation:
        return convolution(x, conv, style, name="stem", bias=style.layout == "keras_v2")
    return conv_norm_act(x, conv, style, name="stem")


def stacked_convolutions(x: KerasTensor, convs: Sequence[Conv], style: Style) -> KerasTensor:
    """Several convolutions; in v2 the first block normalizes the output of the last."""
    for index, conv in enumerate(convs, start=1):
        bare = style.preactivation and index == len(convs)
        x = (convolution if bare else conv_norm_act)(x, conv, style, name="stem", index=index)
    return x


def imagenet_stem(x: KerasTensor, width: int, style: Style) -> KerasTensor:
    """7x7 convolution and 3x3 max pooling, both of stride 2 (the paper's table 1)."""
    return max_pool(single_convolution(x, Conv(7, width, 2), style), style)


def fixed_stem(x: KerasTensor, width: int, style: Style) -> KerasTensor:
    """The same with zeros around the pooling's input, as in BiT (https://arxiv.org/abs/1912.11370)."""
    return max_pool(single_convolution(x, Conv(7, width, 2), style), style, zeros=True)


def cifar_stem(x: KerasTensor, width: int, style: Style) -> KerasTensor:
    """3x3 convolution (the paper's section 4.2)."""
    return single_convolution(x, Conv(3, width), style)


def deep_convolutions(width: int) -> tuple[Conv, ...]:
    """Three 3x3 convolutions instead of the 7x7 (He 2018, https://arxiv.org/abs/1812.01187, figure 2b)."""
    return Conv(3, width // 2, 2), Conv(3, width // 2), Conv(3, width)


def deep_stem(x: KerasTensor, width: int, style: Style) -> KerasTensor:
    """Deep convolutions and max pooling (ResNet-C, ResNet-D)."""
    return max_pool(stacked_convolutions(x, deep_convolutions(width), style), style)


def tiered_stem(x: KerasTensor, width: int, style: Style) -> KerasTensor:
    """Deep convolutions, the first of 3/8 of the width, and max pooling (timm's ResNet-T)."""
    convs = Conv(3, 3 * width // 8, 2), Conv(3, width // 2), Conv(3, width)
    return max_pool(stacked_convolutions(x, convs, style), style)


def deep_strided_stem(x: KerasTensor, width: int, style: Style) -> KerasTensor:
    """Deep convolutions and a strided one instead of max pooling (ResNet-RS, https://arxiv.org/abs/2103.07579)."""
    return stacked_convolutions(x, (*deep_convolutions(width), Conv(3, width, 2)), style)


STEMS = {  # the function, and the stem's stride
    "imagenet": (imagenet_stem, 4),
    "fixed": (fixed_stem, 4),
    "cifar": (cifar_stem, 1),
    "deep": (deep_stem, 4),
    "tiered": (tiered_stem, 4),
    "deep_strided": (deep_strided_stem, 4),
}
