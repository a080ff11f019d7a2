"""`Style`: the options that the blocks of a network share; and convolution, normalization and activation in that style.

"The paper" is He, Zhang, Ren, Sun, "Deep Residual Learning for Image Recognition", 2015,
https://arxiv.org/abs/1512.03385, in this folder. Functions map Keras tensors to a Keras tensor.
"""

import dataclasses

import keras
from keras import KerasTensor, layers

from keras_resnet.layers import BatchNormalization, Conv2D, ReLU, StandardizedConv2D, channel_axis


@dataclasses.dataclass(frozen=True)
class Style:
    """Options that all blocks of a network share; `keras_resnet.ResNet` explains them."""

    residual: bool
    shortcut: str
    stride_in: str
    layout: str
    preactivation: bool
    groups: int
    base_width: int
    reduce_first: int
    shortcut_size: int
    attention: str | None
    se_ratio: float
    anti_alias: str | None
    conv: str
    padding: str
    norm: str
    activation: str
    zero_init_residual: bool
    drop_path: float
    block_dropout: float


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution, as the paper's figures write it: "3x3, 64, /2".

    It `reduces` if the block's stride, or the growing dilation in its place, is here.
    """

    size: int
    filters: int
    strides: int = 1
    dilation: int = 1
    groups: int = 1
    reduces: bool = False

    def __post_init__(self) -> None:
        if self.filters < 1:
            raise ValueError(
                "A convolution of the network would have no filters; raise widths, stem_width or base_width, or lower "
                "reduce_first."
            )


GROUPS = 32  # of channels, Wu and He 2018, section 4.1
CONVS = {"standard": Conv2D, "standardized": StandardizedConv2D}
NORMS = {  # the suffix of the layers' names, and the layer
    "batch_norm": ("bn", lambda **kw: BatchNormalization(channel_axis(), momentum=0.9, epsilon=1e-5, **kw)),
    "sync_batch_norm": (
        "bn",
        lambda **kw: BatchNormalization(channel_axis(), momentum=0.9, epsilon=1e-5, synchronized=True, **kw),
    ),
    "group_norm": ("gn", lambda **kw: layers.GroupNormalization(GROUPS, channel_axis(), epsilon=1e-5, **kw)),
}


def he_initializer() -> keras.initializers.Initializer:
    """The paper's initialization (its reference [13], fan-in): normal, not truncated, variance 2 / fan_in."""
    return keras.initializers.VarianceScaling(2.0, "fan_in", "untruncated_normal")


def convolution(
    x: KerasTensor,
    conv: Conv,
    style: Style,
    *,
    name: str,
    index: int | str = "",
    bias: bool = False,
    zero: bool = False,
) -> KerasTensor:
    """A convolution, by default without bias; `zero` initializes its kernel with zeros.

    Padding is symmetric, as in Caffe and PyTorch. With `padding="same"`, as in TensorFlow, a strided
    convolution is padded only at the bottom and right.
    """
    pads_first = style.padding == "symmetric" and conv.size > 1 and conv.strides > 1
    if pads_first:
        x = layers.ZeroPadding2D(conv.dilation * (conv.size // 2), name=f"{name}_pad{index}")(x)
    return CONVS[style.conv](
        conv.filters,
        conv.size,
        conv.strides,
        padding="valid" if pads_first else "same",
        dilation_rate=conv.dilation,
        groups=conv.groups,
        use_bias=bias,
        kernel_initializer="zeros" if zero else he_initializer(),
        name=f"{name}_conv{index}",
    )(x)


def norm(x: KerasTensor, style: Style, *, name: str, index: int | str = "", zero: bool = False) -> KerasTensor:
    """The network's normalization; `zero` initializes its gamma with zeros."""
    suffix, make = NORMS[style.norm]
    channels = x.shape[channel_axis()]
    if style.norm == "group_norm" and channels % GROUPS:
        raise ValueError(
            f"norm='group_norm' needs multiples of {GROUPS} channels, not the {channels} of {name}; change widths, "
            "stem_width or base_width, or choose another norm."
        )
    return make(gamma_initializer="zeros" if zero else "ones", name=f"{name}_{suffix}{index}")(x)


def activation(x: KerasTensor, style: Style, *, name: str, after_sum: bool = False) -> KerasTensor:
    """The network's activation function, after a normalization or, in a residual block, `after_sum`."""
    if style.activation == "relu":
        return (ReLU if after_sum else layers.ReLU)(name=name)(x)
    return layers.Activation(style.activation, name=name)(x)


def norm_act(x: KerasTensor, style: Style, *, name: str, index: int | str = "") -> KerasTensor:
    """Normalization, then activation."""
    return activation(norm(x, style, name=name, index=index), style, name=f"{name}_relu{index}")


def conv_norm_act(x: KerasTensor, conv: Conv, style: Style, *, name: str, index: int | str = "") -> KerasTensor:
    """Convolution, normalization, activation."""
    return norm_act(convolution(x, conv, style, name=name, index=index), style, name=name, index=index)
