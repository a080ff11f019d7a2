"""The parts of a network, as the paper's figures draw them: stem, blocks, shortcuts, stages, head.

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015,
https://arxiv.org/abs/1512.03385, called "the paper" below. Every function maps Keras tensors to
a Keras tensor.
"""

import keras
import numpy as np
from keras import layers

from keras_resnet.layers import BatchNormalization, ZeroPaddedShortcut


def channel_axis():
    """The axis of the channels in a batch of images: -1, or 1 where Keras is set so."""
    return -1 if keras.config.image_data_format() == "channels_last" else 1


def he_initializer():
    """The paper's initialisation ([13], fan-in): normal, not truncated, variance 2 / fan_in."""
    return keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")


def conv_bn(x, filters, kernel_size, strides=1, *, name, index="", relu=True, gamma="ones"):
    """Convolution without bias, batch normalization, and ReLU unless `relu` is false.

    The padding is symmetric, as in Caffe and PyTorch: "same" would pad a strided convolution
    at the bottom and right alone.
    """
    if kernel_size > 1 and strides > 1:
        x = layers.ZeroPadding2D(kernel_size // 2, name=f"{name}_pad{index}")(x)
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides,
        padding="same" if strides == 1 else "valid",
        use_bias=False,
        kernel_initializer=he_initializer(),
        name=f"{name}_conv{index}",
    )(x)
    x = BatchNormalization(
        axis=channel_axis(), momentum=0.9, epsilon=1e-5, gamma_initializer=gamma, name=f"{name}_bn{index}"
    )(x)
    return layers.ReLU(name=f"{name}_relu{index}")(x) if relu else x


def imagenet_stem(x, filters):
    """7x7 convolution and 3x3 max-pooling, both of stride 2 (table 1)."""
    x = conv_bn(x, filters, 7, 2, name="stem")
    x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)  # zeros never win: x is past a ReLU
    return layers.MaxPooling2D(3, 2, name="stem_pool")(x)


def cifar_stem(x, filters):
    """3x3 convolution (section 4.2)."""
    return conv_bn(x, filters, 3, name="stem")


def basic_block(x, width, strides, *, name, last_gamma, stride_in):
    """Two 3x3 convolutions (figure 5, left)."""
    x = conv_bn(x, width, 3, strides, name=name, index=1)
    return conv_bn(x, width, 3, name=name, index=2, relu=False, gamma=last_gamma)


def bottleneck_block(x, width, strides, *, name, last_gamma, stride_in):
    """1x1, 3x3 and 1x1 convolutions, the last of 4 x `width` filters (figure 5, right)."""
    first, second = (strides, 1) if stride_in == "1x1" else (1, strides)
    x = conv_bn(x, width, 1, first, name=name, index=1)
    x = conv_bn(x, width, 3, second, name=name, index=2)
    return conv_bn(x, 4 * width, 1, name=name, index=3, relu=False, gamma=last_gamma)


def shortcut_to(y, x, strides, *, kind, name):
    """`x` in the shape of `y`: as it is, zero-padded (A) or projected (B; C always) (section 3.3)."""
    filters = y.shape[channel_axis()]
    fits = strides == 1 and x.shape[channel_axis()] == filters
    if kind == "C" or (kind == "B" and not fits):
        return conv_bn(x, filters, 1, strides, name=f"{name}_shortcut", relu=False)
    return x if fits else ZeroPaddedShortcut(filters, strides, name=f"{name}_shortcut")(x)


def stages(x, block, depths, widths, *, residual, shortcut, stride_in, zero_init_residual):
    """The stacks of blocks; the first block of each stage but the first halves the size."""
    last_gamma = "zeros" if zero_init_residual else "ones"
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True), start=1):
        for index in range(1, depth + 1):
            name = f"stage{stage}_block{index}"
            strides = 2 if index == 1 and stage > 1 else 1
            y = BLOCKS[block](x, width, strides, name=name, last_gamma=last_gamma, stride_in=stride_in)
            if residual:
                y = layers.Add(name=f"{name}_add")([shortcut_to(y, x, strides, kind=shortcut, name=name), y])
            x = layers.ReLU(name=f"{name}_out")(y)
    return x


def head(x, include_top, pooling, classes, classifier_activation):
    """Global pooling and classifier. They run in float32, whatever the mixed-precision policy."""
    if not include_top:
        return POOLINGS[pooling](x)
    x = layers.GlobalAveragePooling2D(dtype="float32", name="avg_pool")(x)
    x = layers.Dense(classes, kernel_initializer=he_initializer(), dtype="float32", name="logits")(x)
    if classifier_activation in (None, "linear"):
        return x
    return layers.Activation(classifier_activation, dtype="float32", name="predictions")(x)


def normalization(x, mean, std):
    """(x - mean) / std in float32, as a stock layer that every exporter understands."""
    mean, std = (_statistic(name, value, x.shape[1:]) for name, value in (("mean", mean), ("std", std)))
    if not (std > 0).all():
        raise ValueError("std must be above 0 everywhere.")
    scale, offset = 1 / std, -mean / std
    return layers.Rescaling(scale.tolist(), offset.tolist(), dtype="float32", name="normalization")(x)


def _shape_of_statistics(channels):
    return (channels,) if channel_axis() == -1 else (channels, 1, 1)


def _statistic(name, value, shape):
    """A mean or standard deviation (scalar, per channel, or H x W x C) laid out as the input is."""
    value = np.asarray(value, "float64")
    image_shape = tuple(shape) if channel_axis() == -1 else (*shape[1:], shape[0])
    channels = image_shape[-1]
    if value.shape not in ((), (channels,), image_shape):
        raise ValueError(
            f"{name} has the shape {value.shape}, which does not fit images of shape {image_shape}; pass "
            f"a number, {channels} numbers (one a channel), or an image of that shape, in units of 0 to 255."
        )
    if value.ndim == 0:
        return np.broadcast_to(value, _shape_of_statistics(channels))
    if channel_axis() == -1:
        return value
    return value.reshape(channels, 1, 1) if value.ndim == 1 else value.transpose(2, 0, 1)


BLOCKS = {"basic": basic_block, "bottleneck": bottleneck_block}
STEMS = {"imagenet": imagenet_stem, "cifar": cifar_stem}
POOLINGS = {
    None: lambda x: x,
    "avg": lambda x: layers.GlobalAveragePooling2D(dtype="float32", name="avg_pool")(x),
    "max": lambda x: layers.GlobalMaxPooling2D(dtype="float32", name="max_pool")(x),
}
SHORTCUTS = ("A", "B", "C")
STRIDES_IN = ("3x3", "1x1")
