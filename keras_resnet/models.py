"""The builder, `ResNet`, and a constructor for each variant: `ResNet50()` and friends."""

import fnmatch
import inspect
from collections.abc import Callable, Sequence
from typing import Concatenate, ParamSpec

import keras
import numpy as np

from keras_resnet.blocks import (
    BLOCKS,
    POOLINGS,
    SHORTCUTS,
    STEMS,
    STRIDES_IN,
    channel_axis,
    head,
    normalization,
    stages,
)
from keras_resnet.distribution import Model
from keras_resnet.names import unknown_name
from keras_resnet.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from keras_resnet.variants import IMAGENET_CLASSES, VARIANTS


def ResNet(
    block: str,
    depths: Sequence[int],
    include_top: bool = True,
    weights: str | None = None,
    input_tensor=None,
    input_shape: Sequence[int | None] | None = None,
    pooling: str | None = None,
    classes: int = IMAGENET_CLASSES,
    classifier_activation: str | Callable | None = "softmax",
    name: str = "resnet",
    *,
    widths: Sequence[int] = (64, 128, 256, 512),
    stem: str = "imagenet",
    residual: bool = True,
    shortcut: str = "B",
    stride_in: str = "3x3",
    zero_init_residual: bool = False,
    include_preprocessing: bool = True,
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
) -> Model:
    """Builds a residual (or plain) network for images.

    Source: He et al. 2015, https://arxiv.org/abs/1512.03385.

    Args:
        block: "basic" (two 3x3 convolutions) or "bottleneck" (1x1, 3x3, 1x1).
        depths: blocks in each stage.
        include_top: whether the classifier is part of the model.
        weights: None for random weights, or the path of a `.weights.h5` or `.keras` file of the
            same architecture.
        input_tensor: a Keras tensor to build the model on.
        input_shape: (height, width, channels) of the images; None for a size left open. Default
            (224, 224, 3), and (None, None, 3) with `include_top=False`; the CIFAR nets (32, 32, 3).
        pooling: what follows the last stage with `include_top=False`: None, "avg" or "max".
        classes: number of classes of the classifier.
        classifier_activation: activation of the classifier; None or "linear" for logits.
        name: name of the model.
        widths: filters of the 3x3 convolutions of each stage; a bottleneck puts out 4 times as many.
        stem: "imagenet" (7x7 convolution and pooling, stride 4) or "cifar" (3x3, stride 1).
        residual: False for the plain net: the same layers without shortcuts.
        shortcut: "A" (identity, zero-padded where channels grow), "B" (projection where the
            shape changes) or "C" (projection everywhere) (section 3.3).
        stride_in: convolution of a bottleneck that halves the size: "3x3" (torchvision, timm;
            "v1.5") or "1x1" (the paper, Caffe, keras.applications).
        zero_init_residual: start with the last gamma of each block at zero, so that each block is
            the identity (Goyal et al. 2017, section 5.1).
        include_preprocessing: whether the model itself maps RGB in 0 to 255 to (x - mean) / std.
        mean, std: of the images, in units of 0 to 255: a number, one a channel, or an image.

    Returns:
        A functional `keras_resnet.Model`. Input: a batch of RGB images, uint8 or float, in 0 to
        255. Output: (batch, classes) with `include_top`, else the features of the last stage.

    Raises:
        ValueError: for an option that does not exist or does not fit the others.

    Example:
        >>> import keras_resnet
        >>> model = keras_resnet.ResNet("basic", (1, 1, 1), widths=(8, 16, 32), stem="cifar",
        ...                             input_shape=(32, 32, 3), classes=10)
        >>> model.output_shape
        (None, 10)
    """
    choices = {"block": BLOCKS, "stem": STEMS, "shortcut": SHORTCUTS, "stride_in": STRIDES_IN, "pooling": POOLINGS}
    given = {"block": block, "stem": stem, "shortcut": shortcut, "stride_in": stride_in, "pooling": pooling}
    for option, value in given.items():
        if value not in choices[option]:
            raise unknown_name(option, value, choices[option])
    _check_sizes(depths, widths, classes)
    image = _image(input_tensor, input_shape, include_top)

    x = normalization(image, mean, std) if include_preprocessing else image
    x = STEMS[stem](x, widths[0])
    x = stages(
        x,
        block,
        depths,
        widths,
        residual=residual,
        shortcut=shortcut,
        stride_in=stride_in,
        zero_init_residual=zero_init_residual,
    )
    x = head(x, include_top, pooling, classes, classifier_activation)

    inputs = image if input_tensor is None else keras.utils.get_source_inputs(image)
    model = Model(inputs, x, name=name)
    if weights is not None:
        model.load_weights(weights)
    return model


def _check_sizes(depths, widths, classes):
    if not depths or len(depths) != len(widths):
        raise ValueError(f"depths={tuple(depths)} and widths={tuple(widths)} must name the same stages, at least one.")
    for option, values in (("depths", depths), ("widths", widths), ("classes", (classes,))):
        if not all(isinstance(value, (int, np.integer)) and value >= 1 for value in values):
            raise ValueError(f"{option}={values if option != 'classes' else classes} must be whole numbers from 1.")


def _image(input_tensor, input_shape, include_top):
    """The Keras tensor that the model starts from."""
    if input_tensor is not None:
        if not keras.utils.is_keras_tensor(input_tensor):
            raise ValueError("input_tensor must be a Keras tensor, as keras.Input returns; feed arrays to the model.")
        return input_tensor
    if input_shape is None:
        size = (224, 224) if include_top else (None, None)
        input_shape = (*size, 3) if channel_axis() == -1 else (3, *size)
    if len(input_shape) != 3:
        raise ValueError(f"input_shape={tuple(input_shape)} must be three numbers, as (224, 224, 3).")
    if input_shape[channel_axis()] is None or any(side is not None and side < 1 for side in input_shape):
        raise ValueError(f"input_shape={tuple(input_shape)} must name the channels, and positive sizes.")
    return keras.Input(tuple(input_shape), name="image")


# ---------------------------------------------------------------------------------------------
# The variants

P = ParamSpec("P")


def constructor(
    name: str, variant: str, builder: Callable[Concatenate[str, Sequence[int], P], Model] = ResNet
) -> Callable[P, Model]:
    """The function `name` that builds `VARIANTS[variant]`: the builder with the row as its defaults."""
    row = VARIANTS[variant]
    defaults = {**row, "name": variant}
    parameters = [
        parameter.replace(default=defaults.get(parameter.name, parameter.default))
        for parameter in inspect.signature(builder).parameters.values()
        if parameter.name not in ("block", "depths")
    ]
    signature = inspect.Signature(parameters, return_annotation=Model)

    def construct(*args: P.args, **kwargs: P.kwargs) -> Model:
        given = signature.bind(*args, **kwargs).arguments
        return builder(**{**defaults, **given})

    construct.__signature__ = signature
    construct.__name__ = construct.__qualname__ = name
    settings = ", ".join(f"{option}={value!r}" for option, value in row.items())
    construct.__doc__ = f"""Builds `{variant}`: the network of `keras_resnet.ResNet` with {settings}.

    Arguments, returned model and errors are those of `keras_resnet.ResNet`, in the order of
    `keras.applications`. Bottlenecks have their stride in the 3x3 convolution ("v1.5": torchvision,
    timm); `stride_in="1x1"` gives the paper's.

    Example:
        >>> import keras_resnet
        >>> model = keras_resnet.{name}()
    """
    return construct


ResNet18 = constructor("ResNet18", "resnet18")
ResNet34 = constructor("ResNet34", "resnet34")
ResNet50 = constructor("ResNet50", "resnet50")
ResNet101 = constructor("ResNet101", "resnet101")
ResNet152 = constructor("ResNet152", "resnet152")
PlainNet18 = constructor("PlainNet18", "plainnet18")
PlainNet34 = constructor("PlainNet34", "plainnet34")
ResNet20Cifar = constructor("ResNet20Cifar", "resnet20_cifar")
ResNet32Cifar = constructor("ResNet32Cifar", "resnet32_cifar")
ResNet44Cifar = constructor("ResNet44Cifar", "resnet44_cifar")
ResNet56Cifar = constructor("ResNet56Cifar", "resnet56_cifar")
ResNet110Cifar = constructor("ResNet110Cifar", "resnet110_cifar")
ResNet1202Cifar = constructor("ResNet1202Cifar", "resnet1202_cifar")
PlainNet20Cifar = constructor("PlainNet20Cifar", "plainnet20_cifar")
PlainNet32Cifar = constructor("PlainNet32Cifar", "plainnet32_cifar")
PlainNet44Cifar = constructor("PlainNet44Cifar", "plainnet44_cifar")
PlainNet56Cifar = constructor("PlainNet56Cifar", "plainnet56_cifar")
PlainNet110Cifar = constructor("PlainNet110Cifar", "plainnet110_cifar")
PlainNet1202Cifar = constructor("PlainNet1202Cifar", "plainnet1202_cifar")


def create_model(name: str, /, **options) -> Model:
    """Builds the variant `name` with any option of `keras_resnet.ResNet`.

    Raises:
        ValueError: no such variant or option (the message lists the nearest), or a bad value.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.create_model("resnet20_cifar", classes=100).output_shape
        (None, 100)
    """
    if name not in VARIANTS:
        raise unknown_name("model", name, VARIANTS)
    known = inspect.signature(ResNet).parameters
    for option in options:
        if option not in known:
            raise unknown_name("option of a model", option, known)
    return ResNet(**{**VARIANTS[name], "name": name, **options})


def list_models(pattern: str = "*") -> list[str]:
    """The names of the variants that match a shell pattern, in the table's order.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.list_models("resnet1*_cifar")
        ['resnet110_cifar', 'resnet1202_cifar']
    """
    return [name for name in VARIANTS if fnmatch.fnmatchcase(name, pattern)]
