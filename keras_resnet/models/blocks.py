"""The parts of a network, as the papers' figures draw them: stem, blocks, shortcuts, stages, head.

Source: He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015,
https://arxiv.org/abs/1512.03385, called "the paper" below. Every function maps Keras tensors to
a Keras tensor.
"""

import dataclasses

import keras
from keras import layers

from keras_resnet.layers import (
    BatchNormalization,
    BlurPool,
    Conv2D,
    PaddedMaxPooling2D,
    ZeroPaddedShortcut,
    channel_axis,
)


@dataclasses.dataclass(frozen=True)
class Style:
    """What the blocks of a network share: options of `keras_resnet.ResNet`, which explains them."""

    residual: bool
    shortcut: str
    stride_in: str
    layout: str
    preactivation: bool
    groups: int
    base_width: int
    se_ratio: float
    blur_pool: bool
    padding: str
    norm: str
    activation: str
    zero_init_residual: bool
    drop_path: float
    block_dropout: float


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution of a block, as the figures write it: "3x3, 64, /2"."""

    size: int
    filters: int
    strides: int = 1
    dilation: int = 1
    groups: int = 1


def he_initializer():
    """The paper's initialisation ([13], fan-in): normal, not truncated, variance 2 / fan_in."""
    return keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")


# ---------------------------------------------------------------------------------------------
# Layers with the style of the network
def convolution(x, conv, style, *, name, index="", bias=False, zero=False):
    """A convolution, by default without bias.

    The padding is symmetric, as in Caffe and PyTorch; `padding="same"`, as TensorFlow's, pads a
    strided convolution at the bottom and right alone.
    """
    asymmetric = conv.size > 1 and conv.strides > 1
    if asymmetric and style.padding == "symmetric":
        x = layers.ZeroPadding2D(conv.dilation * (conv.size // 2), name=f"{name}_pad{index}")(x)
    return Conv2D(
        conv.filters,
        conv.size,
        conv.strides,
        padding="valid" if asymmetric and style.padding == "symmetric" else "same",
        dilation_rate=conv.dilation,
        groups=conv.groups,
        use_bias=bias,
        kernel_initializer="zeros" if zero else he_initializer(),
        name=f"{name}_conv{index}",
    )(x)


def norm(x, style, *, name, index="", zero=False):
    """The normalization of the network; `zero` starts its gamma at zero."""
    suffix, make = NORMS[style.norm]
    return make(gamma_initializer="zeros" if zero else "ones", name=f"{name}_{suffix}{index}")(x)


def activation(x, style, *, name):
    """The nonlinearity of the network."""
    if style.activation == "relu":
        return layers.ReLU(name=name)(x)
    return layers.Activation(style.activation, name=name)(x)


def norm_act(x, style, *, name, index=""):
    """Normalization, then nonlinearity."""
    return activation(norm(x, style, name=name, index=index), style, name=f"{name}_relu{index}")


def conv_norm_act(x, conv, style, *, name, index=""):
    """Convolution, normalization, nonlinearity."""
    return norm_act(convolution(x, conv, style, name=name, index=index), style, name=name, index=index)


NORMS = {
    "batch_norm": ("bn", lambda **kw: BatchNormalization(channel_axis(), momentum=0.9, epsilon=1e-5, **kw)),
    "sync_batch_norm": (
        "bn",
        lambda **kw: BatchNormalization(channel_axis(), momentum=0.9, epsilon=1e-5, synchronized=True, **kw),
    ),
    "group_norm": ("gn", lambda **kw: layers.GroupNormalization(32, channel_axis(), epsilon=1e-5, **kw)),
}


# ---------------------------------------------------------------------------------------------
# Stems
def max_pool(x, style):
    """3x3 max-pooling of stride 2; with blur-pooling of stride 1 and then blurred (Zhang 2019, figure 4)."""
    strides = 1 if style.blur_pool else 2
    if style.padding == "same":
        x = layers.MaxPooling2D(3, strides, padding="same", name="stem_pool")(x)
    elif style.preactivation and style.layout != "keras_v2":
        x = PaddedMaxPooling2D(3, strides, name="stem_pool")(x)
    else:  # zeros never win past a ReLU; and keras.applications' v2 was trained with them
        x = layers.ZeroPadding2D(1, name="stem_pool_pad")(x)
        x = layers.MaxPooling2D(3, strides, name="stem_pool")(x)
    return BlurPool(name="stem_blur")(x) if style.blur_pool else x


def imagenet_stem(x, width, style):
    """7x7 convolution and 3x3 max-pooling, both of stride 2 (table 1)."""
    conv = Conv(7, width, 2)
    if style.preactivation:
        x = convolution(x, conv, style, name="stem", bias=style.layout == "keras_v2")
    else:
        x = conv_norm_act(x, conv, style, name="stem")
    return max_pool(x, style)


def cifar_stem(x, width, style):
    """3x3 convolution (section 4.2)."""
    if style.preactivation:
        return convolution(x, Conv(3, width), style, name="stem", bias=style.layout == "keras_v2")
    return conv_norm_act(x, Conv(3, width), style, name="stem")


def deep_convolutions(x, width, style):
    """Three 3x3 convolutions in place of the 7x7 (He 2018, https://arxiv.org/abs/1812.01187, figure 2b)."""
    for index, conv in enumerate((Conv(3, width // 2, 2), Conv(3, width // 2), Conv(3, width)), start=1):
        x = conv_norm_act(x, conv, style, name="stem", index=index)
    return x


def deep_stem(x, width, style):
    """The deep convolutions and max-pooling (ResNet-D)."""
    return max_pool(deep_convolutions(x, width, style), style)


def deep_strided_stem(x, width, style):
    """The deep convolutions and a strided one for the pooling (ResNet-RS, https://arxiv.org/abs/2103.07579)."""
    return conv_norm_act(deep_convolutions(x, width, style), Conv(3, width, 2), style, name="stem", index=4)


# ---------------------------------------------------------------------------------------------
# Blocks
def basic(width, strides, dilations, style):
    """Two 3x3 convolutions (figure 5, left)."""
    return Conv(3, width, strides, dilations[0]), Conv(3, width, 1, dilations[1])


def bottleneck(width, strides, dilations, style):
    """1x1, 3x3 and 1x1, the last of 4 x `width` filters (figure 5, right); groups as in ResNeXt."""
    inner = width * style.base_width // 64 * style.groups
    first, second = (strides, 1) if style.stride_in == "1x1" else (1, strides)
    return Conv(1, inner, first), Conv(3, inner, second, dilations[0], style.groups), Conv(1, 4 * width)


def residual_branch(x, convs, style, *, name):
    """The convolutions of a block, each with its normalization: behind it, or in front (v2).

    With pre-activation `x` has passed the first normalization already.
    """
    *_, last = range(1, len(convs) + 1)
    for index, conv in enumerate(convs, start=1):
        if style.preactivation and index > 1:
            x = norm_act(x, style, name=name, index=index)
        if style.block_dropout and index == last:
            x = layers.Dropout(style.block_dropout, name=f"{name}_dropout")(x)
        blurs = style.blur_pool and conv.strides > 1
        x = convolution(
            x,
            dataclasses.replace(conv, strides=1) if blurs else conv,
            style,
            name=name,
            index=index,
            bias=style.layout == "keras_v2" and index == last,
            zero=style.zero_init_residual and style.preactivation and index == last,
        )
        if not style.preactivation:
            x = norm(x, style, name=name, index=index, zero=style.zero_init_residual and index == last)
            x = activation(x, style, name=f"{name}_relu{index}") if index < last else x
        x = BlurPool(name=f"{name}_blur{index}")(x) if blurs else x
    return squeeze_excite(x, style, name=f"{name}_se") if style.se_ratio else x


def squeeze_excite(x, style, *, name):
    """Channels weighted by what the whole image holds (Hu et al. 2017, https://arxiv.org/abs/1709.01507)."""
    filters = x.shape[channel_axis()]
    reduced = max(8, int(filters * style.se_ratio + 4) // 8 * 8)  # a multiple of 8, as in timm
    weights = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_pool")(x)
    weights = layers.Conv2D(reduced, 1, kernel_initializer=he_initializer(), name=f"{name}_reduce")(weights)
    weights = layers.ReLU(name=f"{name}_relu")(weights)
    weights = layers.Conv2D(
        filters, 1, activation="sigmoid", kernel_initializer=he_initializer(), name=f"{name}_expand"
    )(weights)
    return layers.Multiply(name=f"{name}_scale")([x, weights])


def shortcut_to(filters, x, entry, strides, dilation, style, *, name):
    """`x` in the shape of the branch (section 3.3).

    As it is where it fits (but for C); zero-padded (A), projected (B, C), or pooled and projected (D: He 2018,
    figure 2c) where its channels change; a projection starts from `entry`, the pre-activated `x`.
    """
    widens = x.shape[channel_axis()] != filters
    if style.shortcut != "C" and not (widens and style.shortcut != "A"):
        return ZeroPaddedShortcut(filters, strides, name=f"{name}_shortcut")(x) if widens or strides > 1 else x
    name = f"{name}_shortcut"
    if style.shortcut == "D" and strides > 1:
        entry, strides = layers.AveragePooling2D(2, 2, padding="same", name=f"{name}_pool")(entry), 1
    elif style.shortcut == "D" and dilation > 1:  # as timm's: the zeros at the bottom and right count
        entry = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(entry)
        entry = layers.AveragePooling2D(2, 1, name=f"{name}_pool")(entry)
    y = convolution(entry, Conv(1, filters, strides), style, name=name, bias=style.layout == "keras_v2")
    return y if style.preactivation else norm(y, style, name=name)


def residual_block(x, kind, width, strides, dilations, drop_path, style, *, name):
    """Shortcut plus branch; then the nonlinearity, which v2 has in front instead (He 2016, figure 1)."""
    convs = BLOCKS[kind](width, strides, dilations, style)
    entry = norm_act(x, style, name=name, index=1) if style.preactivation else x
    y = residual_branch(entry, convs, style, name=name)
    if style.residual:
        if drop_path:  # whole branches of single examples (Huang et al. 2016, https://arxiv.org/abs/1603.09382)
            y = layers.Dropout(drop_path, noise_shape=(None, 1, 1, 1), name=f"{name}_drop_path")(y)
        skip = shortcut_to(convs[-1].filters, x, entry, strides, dilations[1], style, name=name)
        y = layers.Add(name=f"{name}_add")([skip, y])
    return y if style.preactivation else activation(y, style, name=f"{name}_out")


def stages(x, kind, depths, widths, stem_stride, output_stride, style):
    """The outputs of all stages. Each but the first halves the size, or dilates from `output_stride` on."""
    outputs, stride, dilation, blocks_before = [], stem_stride, 1, 0
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True), start=1):
        halves = stage < len(depths) if style.layout == "keras_v2" else stage > 1
        strides, before = (2 if halves else 1), dilation
        if strides == 2 and output_stride and stride >= output_stride:
            strides, dilation = 1, 2 * dilation
        stride *= strides
        halving_block = depth if style.layout == "keras_v2" else 1
        for index in range(1, depth + 1):
            x = residual_block(
                x,
                kind,
                width,
                strides if index == halving_block else 1,
                (before if index == 1 else dilation, dilation),
                style.drop_path * blocks_before / max(1, sum(depths) - 1),
                style,
                name=f"stage{stage}_block{index}",
            )
            blocks_before += 1
        outputs.append(x)
    return outputs


# ---------------------------------------------------------------------------------------------
# Head. It runs in float32, whatever the mixed-precision policy.
def classifier(x, classes, dropout, classifier_activation):
    """Average-pooling, and the fully connected layer."""
    x = POOLINGS["avg"](x)
    x = layers.Dropout(dropout, dtype="float32", name="dropout")(x) if dropout else x
    x = layers.Dense(classes, kernel_initializer=he_initializer(), dtype="float32", name="logits")(x)
    if classifier_activation in (None, "linear"):
        return x
    return layers.Activation(classifier_activation, dtype="float32", name="predictions")(x)


BLOCKS = {"basic": basic, "bottleneck": bottleneck}
# The function, and by how much the stem divides the size.
STEMS = {
    "imagenet": (imagenet_stem, 4),
    "cifar": (cifar_stem, 1),
    "deep": (deep_stem, 4),
    "deep_strided": (deep_strided_stem, 4),
}
POOLINGS = {
    None: lambda x: x,
    "avg": lambda x: layers.GlobalAveragePooling2D(dtype="float32", name="avg_pool")(x),
    "max": lambda x: layers.GlobalMaxPooling2D(dtype="float32", name="max_pool")(x),
}
