"""`ResNet`: the builder of every network of this package."""

import os
from collections.abc import Callable, Sequence

import keras

from keras_resnet.layers import channel_axis
from keras_resnet.models.blocks import stages
from keras_resnet.models.features import feature_names
from keras_resnet.models.head import POOLINGS, classifier
from keras_resnet.models.model import Model
from keras_resnet.models.options import DEFAULT_SE_RATIO, check_image_size, check_options
from keras_resnet.models.stems import STEMS
from keras_resnet.models.style import Style, norm_act
from keras_resnet.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Statistic, normalization
from keras_resnet.variants import IMAGENET_CLASSES
from keras_resnet.weights.loading import load_weights
from keras_resnet.weights.pretrained import PretrainedWeights

IMAGE_SIZE = 224  # default height and width of the images that a classifier takes


def ResNet(
    block: str | Sequence[str],
    depths: Sequence[int],
    include_top: bool = True,
    weights: str | os.PathLike | PretrainedWeights | None = None,
    input_tensor: keras.KerasTensor | None = None,
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
    reduce_first: int = 1,
    shortcut_size: int = 1,
    attention: str | None = None,
    se_ratio: float = DEFAULT_SE_RATIO,
    anti_alias: str | None = None,
    conv: str = "standard",
    padding: str = "symmetric",
    norm: str = "batch_norm",
    activation: str = "relu",
    zero_init_residual: bool = False,
    drop_path: float = 0.0,
    block_dropout: float = 0.0,
    dropout: float = 0.0,
    output_stride: int | None = None,
    features: bool | Sequence[str] = False,
    include_preprocessing: bool = True,
    mean: Statistic = IMAGENET_MEAN,
    std: Statistic = IMAGENET_STD,
) -> Model:
    """Builds a residual (or plain) network for images.

    Source: He et al. 2015, https://arxiv.org/abs/1512.03385, unless an option names another.

    Args:
        block: "basic" (two 3x3 convolutions) or "bottleneck" (1x1, 3x3, 1x1), or one of them for each stage.
        depths: number of blocks in each stage.
        include_top: whether to include the classifier.
        weights: None for random weights, or any source that `keras_resnet.load_weights` takes.
        input_tensor: a Keras tensor to use as the model's input.
        input_shape: (height, width, channels) of the images; None for a variable size. Default: (224, 224, 3);
            (None, None, 3) with `include_top=False`, and with published weights that are tested at another size;
            (32, 32, 3) for the CIFAR nets.
        pooling: global pooling after the last stage with `include_top=False`: None, "avg" or "max".
        classes: number of classes of the classifier.
        classifier_activation: activation of the classifier; None or "linear" for logits.
        name: name of the model.
        widths: filters of the 3x3 convolutions of each stage; a bottleneck outputs 4 times as many channels.
        stem: "imagenet" (7x7 convolution and pooling, stride 4), "fixed" (the same, the pooling padded with zeros:
            BiT), "cifar" (3x3, stride 1), "deep" (three 3x3 and pooling: ResNet-C and -D), "tiered" (the same with
            fewer filters: timm's ResNet-T) or "deep_strided" (a strided 3x3 instead of pooling: ResNet-RS).
        stem_width: filters of the stem; by default the first of `widths`.
        residual: False for the plain network: the same layers without shortcuts.
        shortcut: "A" (identity, zero-padded if the number of channels grows), "B" (projection if it changes), "C"
            (projection everywhere) (section 3.3), or "D" (average pooling before the projection: ResNet-D).
        stride_in: the convolution of a bottleneck that has the stride: "3x3" (torchvision, timm;
            "v1.5") or "1x1" (the paper, Caffe, keras.applications).
        layout: "standard", or "keras_v2" as in keras.applications' v2: all stages but the last halve the size, in their
            last block, and convolutions without a normalization after them have biases.
        preactivation: normalization and activation before each convolution (v2: He et al. 2016).
        groups: groups of the 3x3 convolution of a bottleneck (ResNeXt: 32).
        base_width: filters of each of those groups, at width 64 (ResNeXt: 4; Wide ResNet-50-2: 128 in one group).
        reduce_first: divides the filters of the first convolution of each block (SENet-154: 2).
        shortcut_size: kernel size of the projections that subsample: 1 or 3 (SENet-154).
        attention: at the end of each residual branch: None, "se" (squeeze-and-excitation, Hu et al. 2017) or "eca"
            (efficient channel attention, Wang et al. 2019).
        se_ratio: fraction of a block's channels to which attention="se" reduces them.
        anti_alias: before each subsampling of the residual branches and the stem: None, "blur" (Zhang 2019) or
            "average" (timm's resnetaa: average pooling instead of strides).
        conv: "standard", or "standardized" weights (BiT; with group normalization).
        padding: of strided convolutions: "symmetric" (Caffe, PyTorch) or "same" (TensorFlow: bottom and right).
        norm: "batch_norm", "sync_batch_norm" (over all devices) or "group_norm" (32 groups).
        activation: name of a Keras activation function.
        zero_init_residual: initialize the last gamma (v2: the last convolution) of each block with zeros, so that each
            block starts as the identity (Goyal et al. 2017, section 5.1). No effect without shortcuts.
        drop_path: probability that an example skips the last block's branch in training; linearly lower in earlier
            blocks.
        block_dropout: dropout rate before the last convolution of each block (Wide ResNet).
        dropout: dropout rate before the classifier.
        output_stride: 8, 16 or 32: from there on, stages dilate their convolutions instead of halving the size.
        features: return the outputs of all stages, as a dict "C2", "C3", ... (for detection and segmentation), or of
            some: ("C3", "C4", "C5").
        include_preprocessing: whether the model itself maps RGB in 0 to 255 to (x - mean) / std.
        mean: mean of the images, in units of 0 to 255: a number, one per channel, or an image.
        std: their standard deviation, likewise.

    Returns:
        A functional `keras_resnet.Model`. Input: a batch of RGB images, uint8 or float, in 0 to
        255. Output: (batch, classes) with `include_top`, else the features of the last stage.

    Raises:
        ValueError: an option is unknown, out of range or incompatible with another.

    Example:
        >>> import keras_resnet
        >>> model = keras_resnet.ResNet("basic", (1, 1, 1), widths=(8, 16, 32), stem="cifar",
        ...                             input_shape=(32, 32, 3), classes=10)
        >>> model.output_shape
        (None, 10)
    """
    style = Style(
        residual=residual,
        shortcut=shortcut,
        stride_in=stride_in,
        layout=layout,
        preactivation=preactivation,
        groups=groups,
        base_width=base_width,
        reduce_first=reduce_first,
        shortcut_size=shortcut_size,
        attention=attention,
        se_ratio=se_ratio,
        anti_alias=anti_alias,
        conv=conv,
        padding=padding,
        norm=norm,
        activation=activation,
        zero_init_residual=zero_init_residual,
        drop_path=drop_path,
        block_dropout=block_dropout,
    )
    check_options(
        vars(style),
        block=block,
        depths=depths,
        widths=widths,
        stem=stem,
        stem_width=stem_width,
        output_stride=output_stride,
        include_top=include_top,
        features=features,
        include_preprocessing=include_preprocessing,
        input_tensor=input_tensor,
        input_shape=input_shape,
        pooling=pooling,
        classes=classes,
        classifier_activation=classifier_activation,
        dropout=dropout,
        name=name,
    )
    image = _image(input_tensor, input_shape, include_top and not features)
    check_image_size(image.shape[1:-1] if channel_axis() == -1 else image.shape[2:], stem)

    x = normalization(image, mean, std) if include_preprocessing else image
    make_stem, stem_stride = STEMS[stem]
    x = make_stem(x, stem_width or widths[0], style)
    outputs = stages(x, block, depths, widths, stem_stride, output_stride, style)
    if preactivation:
        outputs[-1] = norm_act(outputs[-1], style, name="head")
    if features:
        y = dict(zip(feature_names(outputs), outputs, strict=True))
    elif include_top:
        y = classifier(outputs[-1], classes, dropout, classifier_activation)
    else:
        y = POOLINGS[pooling](outputs[-1])

    sources = keras.utils.get_source_inputs(image)
    model = Model(sources[0] if len(sources) == 1 else sources, y, name=name)
    if weights is not None:
        load_weights(model, weights)
    return _with_features(model, features) if isinstance(features, list | tuple) else model


def _with_features(model: Model, names: Sequence[str]) -> Model:
    """The model with some of its features, in their order, and without the stages that these do not need."""
    chosen = {name: output for name, output in model.output.items() if name in names}
    return Model(model.input, chosen, name=model.name, view=model.view)


def _image(
    input_tensor: keras.KerasTensor | None, input_shape: Sequence[int | None] | None, include_top: bool
) -> keras.KerasTensor:
    """The Keras tensor that the model takes as input."""
    if input_tensor is not None:
        return input_tensor
    if input_shape is None:
        size = (IMAGE_SIZE, IMAGE_SIZE) if include_top else (None, None)
        input_shape = (*size, 3) if channel_axis() == -1 else (3, *size)
    return keras.Input(tuple(input_shape), name="image")
