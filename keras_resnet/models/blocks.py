"""Blocks, shortcuts and stages, as the paper's figures draw them."""

import dataclasses
from collections.abc import Sequence

from keras import KerasTensor, layers

from keras_resnet.layers import BlurPool, ZeroPaddedShortcut, channel_axis
from keras_resnet.models.style import Conv, Style, activation, convolution, he_initializer, norm, norm_act


def basic(width: int, strides: int, dilations: tuple[int, int], style: Style) -> tuple[Conv, ...]:
    """Two 3x3 convolutions (the paper's figure 5, left)."""
    return Conv(3, width, strides, dilations[0]), Conv(3, width, 1, dilations[1])


def bottleneck(width: int, strides: int, dilations: tuple[int, int], style: Style) -> tuple[Conv, ...]:
    """1x1, 3x3 and 1x1, the last with 4 x `width` filters (the paper's figure 5, right); groups as in ResNeXt."""
    inner = width * style.base_width // 64 * style.groups
    first, second = (strides, 1) if style.stride_in == "1x1" else (1, strides)
    return Conv(1, inner, first), Conv(3, inner, second, dilations[0], style.groups), Conv(1, 4 * width)


BLOCKS = {"basic": basic, "bottleneck": bottleneck}


def residual_branch(x: KerasTensor, convs: Sequence[Conv], style: Style, *, name: str) -> KerasTensor:
    """The convolutions of a block, each followed (v1) or preceded (v2) by its normalization.

    With pre-activation, `x` has already passed the first normalization.
    """
    last = len(convs)
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


def shortcut_to(
    filters: int, x: KerasTensor, entry: KerasTensor, strides: int, dilation: int, style: Style, *, name: str
) -> KerasTensor:
    """`x` in the shape of the residual branch (the paper's section 3.3).

    If the number of channels changes, A pads with zeros, B projects, and D averages and then projects (He 2018, figure
    2c); else `x` is only subsampled where necessary. C always projects. With pre-activation, a projection starts from
    `entry`, the pre-activated `x`.
    """
    name = f"{name}_shortcut"
    widens = x.shape[channel_axis()] != filters
    projects = style.shortcut == "C" or (widens and style.shortcut != "A")
    if not projects:
        return ZeroPaddedShortcut(filters, strides, name=name)(x) if widens or strides > 1 else x
    if style.shortcut == "D" and strides > 1:
        entry, strides = layers.AveragePooling2D(2, 2, padding="same", name=f"{name}_pool")(entry), 1
    elif style.shortcut == "D" and dilation > 1:  # as in timm, the average includes the padding at bottom and right
        entry = layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}_pad")(entry)
        entry = layers.AveragePooling2D(2, 1, name=f"{name}_pool")(entry)
    y = convolution(entry, Conv(1, filters, strides), style, name=name, bias=style.layout == "keras_v2")
    return y if style.preactivation else norm(y, style, name=name)


def residual_block(
    x: KerasTensor,
    kind: str,
    width: int,
    strides: int,
    dilations: tuple[int, int],
    drop_path: float,
    style: Style,
    *,
    name: str,
) -> KerasTensor:
    """Shortcut plus residual branch, then the activation; v2 activates before the branch (He 2016, figure 1)."""
    convs = BLOCKS[kind](width, strides, dilations, style)
    entry = norm_act(x, style, name=name, index=1) if style.preactivation else x
    y = residual_branch(entry, convs, style, name=name)
    if style.residual:
        if drop_path:  # drops the branch for single examples (Huang et al. 2016, https://arxiv.org/abs/1603.09382)
            y = layers.Dropout(drop_path, noise_shape=(None, 1, 1, 1), name=f"{name}_drop_path")(y)
        skip = shortcut_to(convs[-1].filters, x, entry, strides, dilations[1], style, name=name)
        y = layers.Add(name=f"{name}_add")([skip, y])
    return y if style.preactivation else activation(y, style, name=f"{name}_out")


def stages(
    x: KerasTensor,
    kind: str,
    depths: Sequence[int],
    widths: Sequence[int],
    stem_stride: int,
    output_stride: int | None,
    style: Style,
) -> list[KerasTensor]:
    """The outputs of all stages.

    Each stage but one halves the size, or dilates its convolutions once `output_stride` is reached: all but the first
    in their first block; in the layout "keras_v2", all but the last in their last block.
    """
    outputs, stride, dilation, blocks_before = [], stem_stride, 1, 0
    for stage, (depth, width) in enumerate(zip(depths, widths, strict=True), start=1):
        halves = stage < len(depths) if style.layout == "keras_v2" else stage > 1
        strides, dilation_before = (2 if halves else 1), dilation
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
                (dilation_before if index == 1 else dilation, dilation),
                style.drop_path * blocks_before / max(1, sum(depths) - 1),
                style,
                name=f"stage{stage}_block{index}",
            )
            blocks_before += 1
        outputs.append(x)
    return outputs
