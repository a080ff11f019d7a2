"""One constructor per row of `VARIANTS`, such as `ResNet50()`; `create_model` and `list_models`."""

import fnmatch
import inspect
import re
from collections.abc import Callable
from typing import Any

from keras_resnet.errors import check_name
from keras_resnet.layers import channel_axis
from keras_resnet.models.model import Model
from keras_resnet.models.resnet import IMAGE_SIZE, ResNet
from keras_resnet.rules import TEXT, YES_OR_NO, check
from keras_resnet.variants import VARIANTS
from keras_resnet.weights.loading import is_published
from keras_resnet.weights.pretrained import PretrainedWeights, find_weights, list_weights, other_variant, variant_of

# Prefixes of variants' names, and of their constructors' names; the first match counts.
FAMILIES = {
    "wide_resnet": "WideResNet",
    "plainnet": "PlainNet",
    "seresnetaa": "SEResNetAA",
    "seresnextaa": "SEResNeXtAA",
    "seresnet": "SEResNet",
    "seresnext": "SEResNeXt",
    "senet": "SENet",
    "ecaresnet": "ECAResNet",
    "ecaresnext": "ECAResNeXt",
    "resnext": "ResNeXt",
    "resnetaa": "ResNetAA",
    "resnetblur": "ResNetBlur",
    "resnetrs": "ResNetRS",
    "resnet": "ResNet",
    "test_resnet": "TestResNet",
}


def constructor_name(variant: str) -> str:
    """The name of a variant's constructor.

    Example:
        >>> from keras_resnet.models.constructors import constructor_name
        >>> [constructor_name(variant) for variant in ("resnet50d", "resnetv2_110_cifar", "wide_resnet28_10_cifar")]
        ['ResNet50D', 'ResNet110V2Cifar', 'WideResNet28_10Cifar']
    """
    variant = re.sub(r"^resnetv2_([^_]+)", r"resnet\1_v2", variant)
    prefix = next(prefix for prefix in FAMILIES if variant.startswith(prefix))
    size, *rest = variant.removeprefix(prefix).split("_")
    words = [f"_{word}" if word[0].isdigit() else word.capitalize() for word in rest]
    # A letter after the digits is a capital: resnet50d is ResNet50D.
    words = [size[:1].upper() + size[1:], *words]
    return FAMILIES[prefix] + "".join(re.sub(r"(?<=\d)[a-z]$", lambda last: last[0].upper(), word) for word in words)


def build_variant(variant: str, options: dict[str, Any]) -> Model:
    """Builds a variant. `options` override the options of published weights, which override the variant's row."""
    settings = {**VARIANTS[variant], "name": variant}
    if options.get("input_shape") is None:  # the default
        options = {name: value for name, value in options.items() if name != "input_shape"}
    published = options.get("weights")
    if is_published(published):
        published = find_weights(variant, published)
    if isinstance(published, PretrainedWeights):
        if published.variant != variant:
            raise other_variant(published, variant)
        settings |= {"classes": published.classes, **published.options}
        if published.input_size not in settings.get("input_shape", (IMAGE_SIZE,)):  # takes images of both sizes
            settings["input_shape"] = (None, None, 3)
        options = {**options, "weights": published}
    if "input_shape" in settings and channel_axis() == 1:
        *sides, channels = settings["input_shape"]
        settings["input_shape"] = (channels, *sides)
    return ResNet(**{**settings, **options})


def constructor(variant: str) -> Callable[..., Model]:
    """The function that builds `VARIANTS[variant]`: the builder with the row as its defaults."""
    name, row = constructor_name(variant), VARIANTS[variant]
    defaults = {**row, "name": variant}
    parameters = [
        parameter.replace(default=defaults.get(parameter.name, parameter.default))
        for parameter in inspect.signature(ResNet).parameters.values()
        if parameter.name not in ("block", "depths")
    ]
    signature = inspect.Signature(parameters, return_annotation=Model)

    def construct(*args: Any, **kwargs: Any) -> Model:
        return build_variant(variant, signature.bind(*args, **kwargs).arguments)

    construct.__signature__ = signature  # type: ignore[attr-defined]  # inspect.signature and help() read it
    construct.__name__ = construct.__qualname__ = name
    settings = ", ".join(f"{option}={value!r}" for option, value in row.items())
    construct.__doc__ = f"""Builds `{variant}`: the network of `keras_resnet.ResNet` with {settings}.

    Arguments, returned model and errors are those of `keras_resnet.ResNet`, in the order of
    `keras.applications`. Bottlenecks have their stride in the 3x3 convolution ("v1.5": torchvision,
    timm) unless `stride_in="1x1"` (the paper).

    Example:
        >>> import keras_resnet
        >>> model = keras_resnet.{name}()
    """
    return construct


CONSTRUCTORS: dict[str, Callable[..., Model]] = {
    constructor_name(variant): constructor(variant) for variant in VARIANTS
}


def create_model(name: str, /, **options: Any) -> Model:
    """Builds the variant `name`, with any option of `keras_resnet.ResNet`.

    Raises:
        ValueError: the variant or an option is unknown (the message suggests similar names), or a value is invalid.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.create_model("resnet20_cifar", classes=100).output_shape
        (None, 100)
    """
    check_name("model", name, VARIANTS)
    known = inspect.signature(ResNet).parameters
    for option in options:
        check_name("option of a model", option, known)
    return build_variant(name, options)


def list_models(pattern: str = "*", *, pretrained: bool = False) -> list[str]:
    """The names of the variants that match a shell pattern, in the table's order.

    Args:
        pattern: of the names.
        pretrained: whether to list only the variants that `keras_resnet.list_weights` has weights of.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.list_models("resnet11*_cifar")
        ['resnet110_cifar']
        >>> keras_resnet.list_models("plainnet*", pretrained=True)
        ['plainnet20_cifar']
    """
    check("pattern", pattern, TEXT)
    check("pretrained", pretrained, YES_OR_NO)
    known = {variant_of(weights) for weights in list_weights()} if pretrained else VARIANTS
    return [name for name in VARIANTS if name in known and fnmatch.fnmatchcase(name, pattern)]
