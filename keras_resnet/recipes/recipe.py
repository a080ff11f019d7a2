"""Recipe: a training setup, with every setting that determines the result."""

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from keras_resnet.choices import INTERPOLATIONS
from keras_resnet.errors import check_name
from keras_resnet.rules import (
    ABOVE_ZERO,
    FRACTION,
    INCREASING_FRACTIONS,
    NOT_NEGATIVE,
    NUMBER,
    NUMBERS,
    TEXT,
    WHOLE,
    YES_OR_NO,
    Rule,
    at_most,
    below,
    between,
    check,
    equals,
    increasing_pair,
)

KINDS: dict[Any, Rule] = {float: NUMBER, int: WHOLE, bool: YES_OR_NO, str: TEXT, tuple[float, ...]: NUMBERS}
LARGEST_INT = 2**31 - 1  # of TensorFlow's int32, which seeds and indices have


class Need(NamedTuple):
    """What another setting must be for a field to have an effect."""

    setting: str
    rule: Rule


def _field(
    default: Any,
    help: str,
    *rules: Rule,
    choices: tuple[str, ...] = (),
    needs: tuple[str, Rule] | None = None,
    group: str | None = None,
) -> Any:
    """A field of `Recipe`: its default, help text, rules or choices for its values, and when it has an effect.

    `group` is the subject of this field and of those after it, up to the next one with a group.
    """
    need = Need(*needs) if needs else None
    metadata = {"help": help, "rules": rules, "choices": choices, "needs": need, "group": group}
    return dataclasses.field(default=default, metadata=metadata)


_STEPS = ("schedule", equals("steps"))
_PLATEAU = ("schedule", equals("plateau"))
_NONZERO = Rule(lambda value: value != 0, "must be above 0")
_SLOW_START = ("warmup_learning_rate", _NONZERO)
_RANDAUGMENT = ("auto_augment", equals("randaugment"))


@dataclasses.dataclass(frozen=True, repr=False)
class Recipe:
    """A training setup.

    Every setting that changes the result is a field; `source` and `expected` only describe the recipe. `milestones` and
    `warmup_fraction` are fractions of the whole run, so a shorter run (fewer `epochs`) has a schedule of the same
    shape. The metadata of each `dataclasses.field` holds its help text, rules, choices, and when it has an effect.

    `repr` shows the settings that differ from the defaults.

    Raises:
        ValueError: a value has another type or is out of range, or a setting has no effect beside the others; the
            message names the field.

    Example:
        >>> import dataclasses, keras_resnet
        >>> recipe = keras_resnet.RECIPES["cifar_quick"]
        >>> dataclasses.replace(recipe, epochs=5).epochs
        5
    """

    source: str = dataclasses.field(default="", compare=False)  # where the recipe comes from
    expected: str = dataclasses.field(default="", compare=False)  # its accuracy, published or measured here

    epochs: float = _field(
        10, "Passes over the training images; may be fractional.", ABOVE_ZERO, at_most(1e6), group="schedule"
    )
    batch_size: int = _field(128, "Images per step, over all devices.", ABOVE_ZERO, at_most(LARGEST_INT))
    learning_rate: float = _field(0.1, "Base learning rate, for this batch_size.", ABOVE_ZERO)
    momentum: float = _field(0.9, "SGD momentum, 0 to below 1.", NOT_NEGATIVE, below(1), group="optimizer")
    nesterov: bool = _field(False, "Use Nesterov momentum.", needs=("momentum", _NONZERO))
    weight_decay: float = _field(
        0.0, "L2 penalty lambda: adds lambda / 2 x |w|^2 over all trainable weights.", NOT_NEGATIVE
    )
    schedule: str = _field(
        "constant",
        "Learning rate schedule: constant, steps (division by 10 at each milestone), cosine (to zero) or plateau.",
        choices=("steps", "cosine", "plateau", "constant"),
        group="schedule",
    )
    milestones: tuple[float, ...] = _field(
        (),
        "Fractions of the run at which the steps schedule divides the rate by 10.",
        INCREASING_FRACTIONS,
        needs=_STEPS,
    )
    warmup_fraction: float = _field(0.0, "Fraction of the run for linear warm-up from zero to the base rate.", FRACTION)
    warmup_learning_rate: float = _field(
        0.0,
        "Learning rate until the training error is below warmup_until_error; 0 to start at the base rate.",
        NOT_NEGATIVE,
    )
    warmup_until_error: float = _field(
        0.8,
        "Training error, 0 to 1, below which the base rate replaces warmup_learning_rate.",
        FRACTION,
        needs=_SLOW_START,
    )
    warmup_min_layers: int = _field(
        110,
        "Minimum number of weighted layers of networks that start at warmup_learning_rate.",
        NOT_NEGATIVE,
        needs=_SLOW_START,
    )
    plateau_patience: int = _field(
        10,
        "Epochs without a lower validation error until the plateau schedule divides the rate by 10.",
        ABOVE_ZERO,
        needs=_PLATEAU,
    )
    validation_fraction: float = _field(
        0.0,
        "Fraction of the training images to hold out, if the data have no validation split.",
        FRACTION,
        group="data",
    )
    per_pixel_mean: bool = _field(
        False, "Subtract the mean training image instead of normalizing with ImageNet's mean and standard deviation."
    )
    image_size: int = _field(
        224,
        "Height and width of the images in pixels; images of data sets with a single size keep it.",
        ABOVE_ZERO,
        at_most(2**14),
    )
    crop: str = _field(
        "center",
        "Crop of training images: center, scale_jitter (the 2015 paper) or random_resized (GoogLeNet).",
        choices=("center", "scale_jitter", "random_resized"),
        group="augmentation",
    )
    scale_jitter: tuple[float, ...] = _field(
        (256 / 224, 480 / 224),
        "Smallest and largest short side for scale_jitter, as multiples of image_size.",
        increasing_pair(0, 16),
        needs=("crop", equals("scale_jitter")),
    )
    crop_area: tuple[float, ...] = _field(
        (0.08, 1.0),
        "Smallest and largest fraction of the image's area for random_resized.",
        increasing_pair(0, 1),
        needs=("crop", equals("random_resized")),
    )
    pad: int = _field(
        0, "Black pixels added to each side of a training image before a random crop.", NOT_NEGATIVE, at_most(2**14)
    )
    flip: bool = _field(False, "Flip half of the training images horizontally, at random.")
    color_jitter: float = _field(
        0.0, "Maximum random change of brightness, contrast and saturation, as a fraction.", NOT_NEGATIVE, at_most(1)
    )
    pca_lighting: float = _field(
        0.0, "Standard deviation of AlexNet's PCA color augmentation; 0.1 in the papers.", NOT_NEGATIVE, at_most(10)
    )
    auto_augment: str = _field(
        "none",
        "Automatic augmentation: none, randaugment or trivialaugment.",
        choices=("none", "randaugment", "trivialaugment"),
    )
    randaugment_operations: int = _field(
        2, "Number of operations that RandAugment applies to an image.", ABOVE_ZERO, at_most(100), needs=_RANDAUGMENT
    )
    randaugment_magnitude: int = _field(
        9, "Magnitude of RandAugment's operations, 0 to 30.", between(0, 30), needs=_RANDAUGMENT
    )
    random_erasing: float = _field(0.0, "Probability of erasing a random rectangle of an image.", FRACTION)
    mixup: float = _field(0.0, "Alpha of mixup's Beta(alpha, alpha); 0 for none.", NOT_NEGATIVE, at_most(1000))
    cutmix: float = _field(
        0.0,
        "Alpha of CutMix's Beta(alpha, alpha); 0 for none. With both, each batch gets either mixup or CutMix.",
        NOT_NEGATIVE,
        at_most(1000),
    )
    label_smoothing: float = _field(0.0, "Fraction of each label that is spread over all classes.", FRACTION)
    crop_fraction: float = _field(
        1.0,
        "Center crop of test images, as a fraction of their resized short side.",
        between(1 / 16, 1),
        group="test view",
    )
    interpolation: str = _field(
        "bilinear", "Interpolation of test images: bilinear or bicubic.", choices=INTERPOLATIONS
    )
    repeated_augmentation: int = _field(
        1,
        "Augmented copies of each image in a batch; with n copies, an epoch visits one image in n.",
        ABOVE_ZERO,
        at_most(1000),
        group="augmentation",
    )
    sync_batch_norm: bool = _field(False, "Synchronize batch normalization over all devices.", group="devices")
    precision: str = _field(
        "float32",
        "Precision of training: float32, mixed_bfloat16 (CPU, GPU) or mixed_float16 (GPU).",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    seed: int = _field(
        0,
        "Random seed of initial weights, validation split, order and augmentation.",
        between(0, LARGEST_INT),
        group="run",
    )

    def __post_init__(self) -> None:
        for field in setting_fields():
            value = _plain(getattr(self, field.name))
            object.__setattr__(self, field.name, value)
            check(f"recipe: {field.name}", value, KINDS[field.type])
            choices = field.metadata["choices"]
            if choices:
                check_name(field.name, value, choices)
            check(f"recipe: {field.name}", value, *field.metadata["rules"])
        self._check_together()

    def _check_together(self) -> None:
        """Refuses settings that contradict each other, or that have no effect beside the others."""
        values = settings(self)
        for field in setting_fields():
            if not has_effect(field, values) and values[field.name] != field.default:
                setting, rule = field.metadata["needs"]
                raise ValueError(
                    f"recipe: {field.name}={values[field.name]} has no effect with {setting}={values[setting]!r}; "
                    f"{setting} {rule.text}, or leave {field.name}={field.default!r}."
                )
        if self.schedule == "steps" and not self.milestones:
            raise ValueError("recipe: schedule='steps' needs milestones, such as milestones=(0.5, 0.75).")
        if self.crop == "scale_jitter" and self.scale_jitter[0] < 1:
            raise ValueError(
                f"recipe: scale_jitter={self.scale_jitter} must start at 1 or above, so that the crop fits."
            )

    def __repr__(self) -> str:
        changed = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in setting_fields()
            if getattr(self, field.name) != field.default
        ]
        return f"Recipe({', '.join(changed)})"

    @property
    def soft_labels(self) -> bool:
        """Whether labels are mixed or smoothed, and therefore probabilities of all classes."""
        return bool(self.mixup or self.cutmix or self.label_smoothing)


def setting_fields() -> list[dataclasses.Field]:
    """The fields of `Recipe` that determine the result: all but `source` and `expected`.

    Example:
        >>> from keras_resnet.recipes import setting_fields
        >>> setting_fields()[1].name, setting_fields()[1].metadata["help"]
        ('batch_size', 'Images per step, over all devices.')
    """
    return [field for field in dataclasses.fields(Recipe) if field.compare]


def setting_groups() -> dict[str, str]:
    """The subject of each field that determines the result, by the field's name.

    Example:
        >>> from keras_resnet.recipes import setting_groups
        >>> setting_groups()["nesterov"]
        'optimizer'
    """
    groups, group = {}, ""
    for field in setting_fields():
        groups[field.name] = group = field.metadata["group"] or group
    return groups


def _plain(value: Any) -> Any:
    """A setting's value with NumPy's numbers as Python's and lists as tuples: frozen, and writable as JSON."""
    if isinstance(value, list | tuple | np.ndarray):
        return tuple(map(_plain, value))
    return value.item() if isinstance(value, np.generic) else value


def has_effect(field: dataclasses.Field, values: dict[str, Any]) -> bool:
    """Whether a field has an effect beside these values of the others."""
    needs = field.metadata["needs"]
    return needs is None or needs.rule.holds(values[needs.setting])


def settings(recipe: Recipe) -> dict[str, Any]:
    """A recipe's values that determine the result, by name: all but `source` and `expected`.

    Example:
        >>> import keras_resnet.recipes
        >>> keras_resnet.recipes.settings(keras_resnet.Recipe())["batch_size"]
        128
    """
    return {field.name: getattr(recipe, field.name) for field in setting_fields()}


def override(recipe: Recipe, **changes: Any) -> Recipe:
    """The recipe with other settings. Those of the recipe that then have no effect return to their defaults.

    Raises:
        ValueError: as for `Recipe`, also if one of the `changes` has no effect.

    Example:
        >>> import keras_resnet.recipes
        >>> steps = keras_resnet.RECIPES["fb2016"]
        >>> keras_resnet.recipes.override(steps, schedule="cosine").milestones
        ()
    """
    values = {**settings(recipe), **changes}
    idle = {field.name: field.default for field in setting_fields() if not has_effect(field, values)}
    return dataclasses.replace(recipe, **{**idle, **changes})
