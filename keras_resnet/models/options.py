"""The values that the options of `keras_resnet.ResNet` may have, and which of them exclude each other."""

from collections.abc import Collection, Mapping
from typing import Any

import keras

from keras_resnet.errors import check_name, shown
from keras_resnet.layers import channel_axis
from keras_resnet.models.attention import ATTENTIONS
from keras_resnet.models.blocks import ANTI_ALIASING, BLOCKS
from keras_resnet.models.features import feature_names
from keras_resnet.models.head import POOLINGS
from keras_resnet.models.stems import STEMS
from keras_resnet.models.style import CONVS, NORMS
from keras_resnet.rules import (
    ABOVE_ZERO,
    NOT_NEGATIVE,
    NUMBER,
    POSITIVE_INTEGER,
    YES_OR_NO,
    Rule,
    at_most,
    below,
    check,
)

DEFAULT_SE_RATIO = 1 / 16  # Hu et al. 2017, section 6.1
SMALLEST_IMAGE = 32  # height and width: an ImageNet stem and three halvings leave one pixel; as in keras.applications


def _are_sizes(values: Any) -> bool:
    return isinstance(values, list | tuple) and len(values) > 0 and all(map(POSITIVE_INTEGER.holds, values))


def _is_shape(value: Any) -> bool:
    if not (isinstance(value, list | tuple) and len(value) == 3):
        return False
    batch = (None, *value)
    if batch[channel_axis()] is None:
        return False
    return all(side is None or POSITIVE_INTEGER.holds(side) for side in value)


def _are_features(value: Any) -> bool:
    if not isinstance(value, list | tuple):
        return YES_OR_NO.holds(value)
    return all(isinstance(name, str) for name in value) and 0 < len(value) == len(set(value))


def _is_activation(value: Any) -> bool:
    if not isinstance(value, str):
        return callable(value) and not isinstance(value, type)
    try:
        return value != "" and callable(keras.activations.get(value))
    except ValueError:
        return False


CHOICES: dict[str, Collection] = {
    "stem": STEMS,
    "shortcut": ("A", "B", "C", "D"),
    "stride_in": ("3x3", "1x1"),
    "layout": ("standard", "keras_v2"),
    "padding": ("symmetric", "same"),
    "norm": NORMS,
    "attention": ATTENTIONS,
    "anti_alias": (None, *ANTI_ALIASING),
    "conv": CONVS,
    "shortcut_size": (1, 3),
    "pooling": POOLINGS,
    "output_stride": (None, 8, 16, 32),
}

_COUNT = (POSITIVE_INTEGER, at_most(1_000_000))
_SIZES = (
    Rule(_are_sizes, "must be a list of positive integers"),
    Rule(lambda values: max(values) <= 1_000_000, "must be at most 1,000,000 each"),
)
_RATE = (NUMBER, NOT_NEGATIVE, below(1))
_ACTIVATION = (Rule(_is_activation, "must be the name of a Keras activation, or a function"),)
RULES: dict[str, tuple[Rule, ...]] = {
    "block": (Rule(lambda value: isinstance(value, str | list | tuple), "must be the name of a block, or a list"),),
    "depths": _SIZES,
    "widths": _SIZES,
    "classes": _COUNT,
    "stem_width": _COUNT,
    "groups": _COUNT,
    "base_width": _COUNT,
    "reduce_first": _COUNT,
    "se_ratio": (NUMBER, ABOVE_ZERO, at_most(1)),
    "drop_path": _RATE,
    "block_dropout": _RATE,
    "dropout": _RATE,
    "activation": _ACTIVATION,
    "classifier_activation": _ACTIVATION,
    "name": (Rule(lambda value: isinstance(value, str) and "/" not in value, "must be a string without a '/'"),),
    "input_shape": (
        Rule(_is_shape, "must be (height, width, channels), such as (224, 224, 3); a variable side is None"),
    ),
    "input_tensor": (
        Rule(keras.utils.is_keras_tensor, "must be a Keras tensor, as keras.Input returns; call the model on arrays"),
    ),
    "features": (
        Rule(_are_features, 'must be True, False, or different names of features, such as ("C3", "C4", "C5")'),
    ),
    **dict.fromkeys(
        (
            "include_top",
            "residual",
            "preactivation",
            "zero_init_residual",
            "include_preprocessing",
        ),
        (YES_OR_NO,),
    ),
}
ONLY_OF_BOTTLENECKS = {"groups": 1, "base_width": 64, "stride_in": "3x3"}  # and their defaults
OPTIONAL = ("input_tensor", "input_shape", "stem_width", "classifier_activation")  # may be None


def check_options(style: Mapping[str, Any], **others: Any) -> None:
    """Checks the options of `keras_resnet.ResNet`: those of the style, and the others.

    Raises:
        ValueError: a value is unknown, of another type, out of range, or incompatible with another.
    """
    options = {**style, **others}
    for name, known in CHOICES.items():
        check_name(name, options[name], known)
    for name, rules in RULES.items():
        if options[name] is not None or name not in OPTIONAL:
            check(name, options[name], *rules)
    block, depths, widths = options["block"], options["depths"], options["widths"]
    if len(depths) != len(widths):
        raise ValueError(f"depths={tuple(depths)} and widths={tuple(widths)} must have one number for each stage.")
    if isinstance(options["features"], list | tuple):
        for name in options["features"]:
            check_name("feature", name, feature_names(depths))
    for kind in [block] if isinstance(block, str) else block:
        check_name("block", kind, BLOCKS)
    if not isinstance(block, str) and len(block) != len(depths):
        raise ValueError(f"block={tuple(block)} must be one block, or one for each of {len(depths)} stages.")
    if options["layout"] == "keras_v2" and not options["preactivation"]:
        raise ValueError("layout='keras_v2' needs preactivation=True.")
    if options["anti_alias"] and options["preactivation"]:
        raise ValueError("anti_alias does not work with preactivation; choose one of them.")
    has_classifier = options["include_top"] and not options["features"]
    is_softmax = keras.activations.get(options["classifier_activation"]) is keras.activations.softmax
    if has_classifier and options["classes"] == 1 and is_softmax:
        raise ValueError(
            "classes=1 with classifier_activation='softmax' outputs 1 for every image; use classes=2, or "
            "classifier_activation='sigmoid'."
        )
    if options["attention"] != "se" and options["se_ratio"] != DEFAULT_SE_RATIO:
        raise ValueError(f"se_ratio={options['se_ratio']} has no effect without attention='se'.")
    if "bottleneck" not in ([block] if isinstance(block, str) else block):
        for name, default in ONLY_OF_BOTTLENECKS.items():
            if options[name] != default:
                raise ValueError(f"{name}={shown(options[name])} has no effect without block='bottleneck'.")


def check_image_size(sides: tuple[int | None, ...], stem: str) -> None:
    """Raises ValueError if images of these sides are too small for the stem."""
    if stem != "cifar" and any(side is not None and side < SMALLEST_IMAGE for side in sides):
        raise ValueError(f"Input size must be at least 32x32, not {sides[0]}x{sides[1]}; stem='cifar' takes less.")
