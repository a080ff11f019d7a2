"""Blocks, shortcuts and stages, as the paper's figures draw them."""

import dataclasses
from collections.abc import Callable, Sequence

from keras import KerasTensor, layers

from keras_resnet.layers import BlurPool, ZeroPaddedShortcut, channel_axis
from keras_resnet.models.attention import ATTENTIONS
from keras_resnet.models.style import Conv, Style, activation, convolution, norm, norm_act


def basic(width: int, strides: int, dilations: tuple[int, int], style: Style) -> tuple[Conv, ...]:
    """Two 3x3 convolutions (the paper's figure 5, left)."""
    first = Conv(3, width // style.reduce_first, strides, dilations[0], reduces=_reduces(strides, dilations))
    return first, Conv(3, width, 1, dilations[1])


def bottleneck(width: int, strides: int, dilations: tuple[int, int], style: Style) -> tuple[Conv, ...]:
    """1x1, 3x3 and 1x1, the last with 4 x `width` filters (the paper's figure 5, right); groups as in ResNeXt."""
    inner = width * style.base_width // 64 * style.groups
    first, second = (strides, 1) if style.stride_in == "1x1" else (1, strides)
    reduces = _reduces(strides, dilations)
    return (
        Conv(1, inner // style.reduce_first, first, reduces=reduces and style.stride_in == "1x1"),
        Conv(3, inner, second, dilations[0], style.groups, reduces=reduces and style.stride_in == "3x3"),
        Conv(1, 4 * width),
    )


def _reduces(strides: int, dilations: tuple[int, int]) -> bool:
    """Whether a block halves the size, or begins to dilate instead."""
    return strides > 1 or dilations[0] != dilations[1]


BLOCKS = {"basic": basic, "bottleneck": bottleneck}
ANTI_ALIASING: dict[str | None, Callable] = {  # of a stride, after a convolution without it
    "blur": BlurPool,  # Zhang 2019, https://arxiv.org/abs/1904.11486
    "average": lambda strides, name: layers.AveragePooling2D(strides, strides, "same", name=name),
}


def residual_branch(x: KerasTensor, convs: Sequence[Conv], style: Style, *, name: str) -> KerasTensor:
    """The convolutions of a block, each followed (v1) or preceded (v2) by its normalization.

    With pre-activation, `x` has already passed the first normalization.
    """
    last = len(convs)
    zero_init = style.zero_init_residual and style.residual  # without a shortcut, zeros would block all gradients
    for index, conv in enumerate(convs, start=1):
        if style.preactivation and index > 1:
            x = norm_act(x, style, name=name, index=index)
        if style.block_dropout and index == last:
            x = layers.Dropout(style.block_dropout, name=f"{name}_dropout")(x)
        anti_aliased = style.anti_alias is not None and conv.reduces
        x = convolution(
            x,
            dataclasses.replace(conv, strides=1) if anti_aliased else conv,
            style,
            name=name,
            index=index,
            bias=style.layout == "keras_v2" and index == last,
            zero=zero_init and style.preactivation and index == last,
        )
        if not style.preactivation:
            x = norm(x, style, name=name, index=index, zero=zero_init and index == last)
            x = activation(x, style, name=f"{name}_relu{index}") if index < last else x
        x = ANTI_ALIASING[style.anti_alias](conv.strides, name=f"{name}_blur{index}")(x) if anti_aliased else x
    suffix, attention = ATTENTIONS[style.attention]
    return attention(x, style, name=f"{name}_{suffix}")


def shortcut_to(
    filters: int,
    x: KerasTensor,
    entry: KerasTensor,
    strides: int,
    dilations: tuple[int, int],
    style: Style,
    *,
    name: str,
) -> KerasTensor:
    """`x` in the shape of the residual branch (the paper's section 3.3).

    If the number of channels changes, A pads with zeros, B projects, and D averages and then projects (He 2018, figure
    2c); else `x` is only subsampled where necessary. C always projects. With pre-activation, a projection starts from
    `entry`, the pre-activated `x`.
    """
    dilation_before, dilation = dilations
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
    size = style.shortcut_size if strides > 1 or dilation > 1 else 1
    conv = Conv(size, filters, strides, dilation_before if size > 1 else 1)
    y = convolution(entry, conv, style, name=name, bias=style.layout == "keras_v2")
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
        skip = shortcut_to(convs[-1].filters, x, entry, strides, dilations, style, name=name)
        y = layers.Add(name=f"{name}_add")([skip, y])
    return y if style.preactivation else activation(y, style, name=f"{name}_out", after_sum=style.residual)


def stages(
    x: KerasTensor,
    block: str | Sequence[str],
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
    kinds = [block] * len(depths) if isinstance(block, str) else block
    for stage, (kind, depth, width) in enumerate(zip(kinds, depths, widths, strict=True), start=1):
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
