"""TODO models.resnet."""

import dataclasses
from collections.abc import Callable, Sequence

import keras
import numpy as np

from keras_resnet.errors import unknown_name
from keras_resnet.layers import channel_axis
from keras_resnet.models.blocks import BLOCKS, NORMS, POOLINGS, STEMS, Style, classifier, norm_act, stages
from keras_resnet.models.model import Model
from keras_resnet.preprocessing import IMAGENET_MEAN, IMAGENET_STD, normalization
from keras_resnet.variants import IMAGENET_CLASSES
from keras_resnet.weights.loading import load_weights


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
    stem_width: int | None = None,
    residual: bool = True,
    shortcut: str = "B",
    stride_in: str = "3x3",
    layout: str = "standard",
    preactivation: bool = False,
    groups: int = 1,
    base_width: int = 64,
    se_ratio: float = 0.0,
    blur_pool: bool = False,
    padding: str = "symmetric",
    norm: str = "batch_norm",
    activation: str = "relu",
    zero_init_residual: bool = False,
    drop_path: float = 0.0,
    block_dropout: float = 0.0,
    dropout: float = 0.0,
    output_stride: int | None = None,
    features: bool = False,
    include_preprocessing: bool = True,
    mean=IMAGENET_MEAN,
    std=IMAGENET_STD,
) -> Model:
    """Builds a residual (or plain) network for images.

    Source: He et al. 2015, https://arxiv.org/abs/1512.03385, and where an option names another.

    Args:
        block: "basic" (two 3x3 convolutions) or "bottleneck" (1x1, 3x3, 1x1).
        depths: blocks in each stage.
        include_top: whether the classifier is part of the model.
        weights: None for random weights, or what `keras_resnet.load_weights` takes.
        input_tensor: a Keras tensor to build the model on.
        input_shape: (height, width, channels) of the images; None for a size left open. Default
            (224, 224, 3), and (None, None, 3) with `include_top=False`; the CIFAR nets (32, 32, 3).
        pooling: what follows the last stage with `include_top=False`: None, "avg" or "max".
        classes: number of classes of the classifier.
        classifier_activation: activation of the classifier; None or "linear" for logits.
        name: name of the model.
        widths: filters of the 3x3 convolutions of each stage; a bottleneck puts out 4 times as many.
        stem: "imagenet" (7x7 convolution and pooling, stride 4), "cifar" (3x3, stride 1), "deep" (three 3x3
            and pooling: ResNet-D) or "deep_strided" (a strided 3x3 for the pooling: ResNet-RS).
        stem_width: filters of the stem; default the first of `widths`.
        residual: False for the plain net: the same layers without shortcuts.
        shortcut: "A" (identity, zero-padded where channels grow), "B" (projection where they do), "C"
            (projection everywhere) (section 3.3), or "D" (average-pooled, then projected: ResNet-D).
        stride_in: convolution of a bottleneck that halves the size: "3x3" (torchvision, timm;
            "v1.5") or "1x1" (the paper, Caffe, keras.applications).
        layout: "standard", or "keras_v2" as keras.applications' v2: stages but the last halve the size in their last
            block, and convolutions that no normalization follows have biases.
        preactivation: normalization and nonlinearity in front of each convolution (v2: He et al. 2016).
        groups: groups of the 3x3 convolution of a bottleneck (ResNeXt: 32).
        base_width: filters of each of those groups, at width 64 (ResNeXt: 4; Wide ResNet-50-2: 128 in one group).
        se_ratio: squeeze and excitation at the end of each block, reduced to this share of its channels; 0 for none.
        blur_pool: blur before each subsampling of the branches and the stem (Zhang 2019).
        padding: of strided convolutions: "symmetric" (Caffe, PyTorch) or "same" (TensorFlow: bottom and right).
        norm: "batch_norm", "sync_batch_norm" (over all devices) or "group_norm" (32 groups).
        activation: the nonlinearity, by its Keras name.
        zero_init_residual: start with the last gamma (v2: the last convolution) of each block at zero, so that each
            block is the identity (Goyal et al. 2017, section 5.1).
        drop_path: share of examples that skip the last block's branch in training, less linearly before it.
        block_dropout: share of values dropped before the last convolution of each block (Wide ResNet).
        dropout: share of values dropped before the classifier.
        output_stride: 8, 16 or 32: past it, stages dilate their convolutions instead of halving the size.
        features: return the outputs of all stages, as a dict "C2", "C3", ... (for detectors and segmenters).
        include_preprocessing: whether the model itself maps RGB in 0 to 255 to (x - mean) / std.
        mean: of the images, in units of 0 to 255: a number, one a channel, or an image.
        std: their standard deviation, likewise.

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
    options = dict(locals())  # the arguments by name: first line, so nothing else is in it
    _check_choices(options)
    _check_sizes(options)
    style = Style(**{field.name: options[field.name] for field in dataclasses.fields(Style)})
    image = _image(input_tensor, input_shape, include_top and not features)
    _check_image(image.shape[1:], stem)

    x = normalization(image, mean, std) if include_preprocessing else image
    make_stem, stem_stride = STEMS[stem]
    x = make_stem(x, stem_width or widths[0], style)
    outputs = stages(x, block, depths, widths, stem_stride, output_stride, style)
    if preactivation:
        outputs[-1] = norm_act(outputs[-1], style, name="head")
    if features:
        x = {f"C{stage}": output for stage, output in enumerate(outputs, start=2)}
    else:
        x = (
            classifier(outputs[-1], classes, dropout, classifier_activation)
            if include_top
            else POOLINGS[pooling](outputs[-1])
        )

    inputs = image if input_tensor is None else keras.utils.get_source_inputs(image)
    model = Model(inputs, x, name=name)
    if weights is not None:
        load_weights(model, weights)
    return model


CHOICES = {
    "block": BLOCKS,
    "stem": STEMS,
    "shortcut": ("A", "B", "C", "D"),
    "stride_in": ("3x3", "1x1"),
    "layout": ("standard", "keras_v2"),
    "padding": ("symmetric", "same"),
    "norm": NORMS,
    "pooling": POOLINGS,
    "output_stride": (None, 8, 16, 32),
}


def _check_choices(options):
    for option, known in CHOICES.items():
        if options[option] not in known:
            raise unknown_name(option, options[option], known)
    if options["layout"] == "keras_v2" and not options["preactivation"]:
        raise ValueError("layout='keras_v2' needs preactivation=True.")
    if options["blur_pool"] and options["preactivation"]:
        raise ValueError("blur_pool does not go with preactivation; choose one of them.")


def _check_sizes(options):
    depths, widths = options["depths"], options["widths"]
    if not depths or len(depths) != len(widths):
        raise ValueError(f"depths={tuple(depths)} and widths={tuple(widths)} must name the same stages, at least one.")
    for option in ("depths", "widths", "classes", "groups", "base_width"):
        values = options[option] if option in ("depths", "widths") else (options[option],)
        if not all(isinstance(value, (int, np.integer)) and value >= 1 for value in values):
            raise ValueError(f"{option}={options[option]} must be whole numbers from 1.")
    for option in ("se_ratio", "drop_path", "block_dropout", "dropout"):
        if not 0 <= options[option] < 1:
            raise ValueError(f"{option}={options[option]} must be at least 0 and below 1.")


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


def _check_image(shape, stem):
    """As in keras.applications: 32 x 32 is the least that an ImageNet stem and three halvings leave a pixel of."""
    sides = shape[:-1] if channel_axis() == -1 else shape[1:]
    if stem != "cifar" and any(side is not None and side < 32 for side in sides):
        raise ValueError(f"Input size must be at least 32x32, not {sides[0]}x{sides[1]}; stem='cifar' takes less.")
