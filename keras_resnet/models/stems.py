"""STEMS: the layers in front of the first stage."""

from keras import KerasTensor, layers

from keras_resnet.layers import BlurPool, PaddedMaxPooling2D
from keras_resnet.models.style import Conv, Style, conv_norm_act, convolution


def max_pool(x: KerasTensor, style: Style) -> KerasTensor:
    """3x3 max pooling of stride 2; with blur pooling, of stride 1 and then blurred (Zhang 2019, figure 4)."""
    strides = 1 if style.blur_pool else 2
    if style.padding == "same":
        x = layers.MaxPooling2D(3, strides, padding="same", name="stem_pool")(x)
    elif style.layout != "keras_v2" and (style.preactivation or style.activation != "relu"):
        x = PaddedMaxPooling2D(3, strides, name="stem_pool")(x)
    else:  # after a ReLU, zero padding never changes the maximum; keras.applications' v2 was trained with it
        x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
        x = layers.MaxPooling2D(3, strides, name="stem_pool")(x)
    return BlurPool(name="stem_blur")(x) if style.blur_pool else x


def single_convolution(x: KerasTensor, conv: Conv, style: Style) -> KerasTensor:
    """One convolution; in v2 the first block normalizes its output."""
    if style.preactivation:
        return convolution(x, conv, style, name="stem", bias=style.layout == "keras_v2")
    return conv_norm_act(x, conv, style, name="stem")


def imagenet_stem(x: KerasTensor, width: int, style: Style) -> KerasTensor:
    """7x7 convolution and 3x3 max pooling, both of stride 2 (the paper's table 1)."""
    return max_pool(single_convolution(x, Conv(7, width, 2), style), style)


def cifar_stem(x: KerasTensor, width: int, style: Style) -> KerasTensor:
    """3x3 convolution (the paper's section 4.2)."""
    return single_convolution(x, Conv(3, width), style)


def deep_convolutions(x: KerasTensor, width: int, style: Style) -> KerasTensor:
    """Three 3x3 convolutions instead of the 7x7 (He 2018, https://arxiv.org/abs/1812.01187, figure 2b)."""
    for index, conv in enumerate((Conv(3, width // 2, 2), Conv(3, width // 2), Conv(3, width)), start=1):
        x = conv_norm_act(x, conv, style, name="stem", index=index)
    return x


def deep_stem(x: KerasTensor, width: int, style: Style) -> KerasTensor:
    """Deep convolutions and max pooling (ResNet-D)."""
    return max_pool(deep_convolutions(x, width, style), style)


def deep_strided_stem(x: KerasTensor, width: int, style: Style) -> KerasTensor:
    """Deep convolutions and a strided one instead of max pooling (ResNet-RS, https://arxiv.org/abs/2103.07579)."""
    return conv_norm_act(deep_convolutions(x, width, style), Conv(3, width, 2), style, name="stem", index=4)


STEMS = {  # the function, and the stem's stride
    "imagenet": (imagenet_stem, 4),
    "cifar": (cifar_stem, 1),
    "deep": (deep_stem, 4),
    "deep_strided": (deep_strided_stem, 4),
}
