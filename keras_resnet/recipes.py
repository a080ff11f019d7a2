"""Recipe: a training setup, with every setting that determines the result. RECIPES: the table of recipes."""

import dataclasses
from collections.abc import Callable
from typing import Any, NamedTuple

from keras_resnet.errors import unknown_name


class Rule(NamedTuple):
    """A condition on a field's value, and the text of the error if it does not hold."""

    holds: Callable[[Any], bool]
    text: str


ABOVE_ZERO = Rule(lambda value: value > 0, "must be above 0")
NOT_NEGATIVE = Rule(lambda value: value >= 0, "must not be negative")
FRACTION = Rule(lambda value: 0 <= value <= 1, "must be between 0 and 1")
FRACTION_ABOVE_ZERO = Rule(lambda value: 0 < value <= 1, "must be above 0 and at most 1")
INCREASING_FRACTIONS = Rule(
    lambda values: list(values) == sorted(values) and all(0 < value < 1 for value in values),
    "must be increasing numbers between 0 and 1",
)
RANGE = Rule(lambda pair: len(pair) == 2 and 0 < pair[0] <= pair[1], "must be two increasing numbers above 0")
RANGE_OF_FRACTIONS = Rule(
    lambda pair: len(pair) == 2 and 0 < pair[0] <= pair[1] <= 1,
    "must be two increasing numbers above 0 and at most 1",
)


def _field(
    default: Any, help: str, rule: Rule | None = None, choices: tuple[str, ...] = (), group: str | None = None
) -> Any:
    """A field of `Recipe` with its default, help text, and rule or choices for its values.

    `group` is the subject of this field and of those after it, up to the next one with a group.
    """
    metadata = {"help": help, "rule": rule, "choices": choices, "group": group}
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A training setup.

    Every setting that changes the result is a field; `source` and `expected` only describe the recipe. `milestones` and
    `warmup_fraction` are fractions of the whole run, so a shorter run (fewer `epochs`) has a schedule of the same
    shape. The metadata of each `dataclasses.field` holds its help text, rule and choices.

    Raises:
        ValueError: a value is out of range; the message names the field.

    Example:
        >>> import dataclasses, keras_resnet
        >>> recipe = keras_resnet.RECIPES["cifar_quick"]
        >>> dataclasses.replace(recipe, epochs=5).epochs
        5
    """

    source: str = dataclasses.field(default="", compare=False)  # where the recipe comes from
    expected: str = dataclasses.field(default="", compare=False)  # its accuracy, published or measured here

    epochs: float = _field(10, "Passes over the training images; may be fractional.", ABOVE_ZERO, group="schedule")
    batch_size: int = _field(128, "Images per step, over all devices.", ABOVE_ZERO)
    learning_rate: float = _field(0.1, "Base learning rate, for this batch_size.", ABOVE_ZERO)
    momentum: float = _field(0.9, "SGD momentum, 0 to 1.", NOT_NEGATIVE, group="optimizer")
    nesterov: bool = _field(False, "Use Nesterov momentum.")
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
        (), "Fractions of the run at which the steps schedule divides the rate by 10.", INCREASING_FRACTIONS
    )
    warmup_fraction: float = _field(0.0, "Fraction of the run for linear warm-up from zero to the base rate.", FRACTION)
    warmup_learning_rate: float = _field(
        0.0,
        "Learning rate until the training error is below warmup_until_error; 0 to start at the base rate.",
        NOT_NEGATIVE,
    )
    warmup_until_error: float = _field(
        0.8, "Training error, 0 to 1, below which the base rate replaces warmup_learning_rate.", FRACTION
    )
    warmup_min_layers: int = _field(
        110, "Minimum number of weighted layers of networks that start at warmup_learning_rate."
    )
    plateau_patience: int = _field(
        10, "Epochs without a lower validation error until the plateau schedule divides the rate by 10.", ABOVE_ZERO
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
        224, "Height and width of the images in pixels; images of data sets with a single size keep it.", ABOVE_ZERO
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
        RANGE,
    )
    crop_area: tuple[float, ...] = _field(
        (0.08, 1.0), "Smallest and largest fraction of the image's area for random_resized.", RANGE_OF_FRACTIONS
    )
    pad: int = _field(0, "Black pixels added to each side of a training image before a random crop.", NOT_NEGATIVE)
    flip: bool = _field(False, "Flip half of the training images horizontally, at random.")
    color_jitter: float = _field(
        0.0, "Maximum random change of brightness, contrast and saturation, as a fraction.", NOT_NEGATIVE
    )
    pca_lighting: float = _field(
        0.0, "Standard deviation of AlexNet's PCA color augmentation; 0.1 in the papers.", NOT_NEGATIVE
    )
    auto_augment: str = _field(
        "none",
        "Automatic augmentation: none, randaugment or trivialaugment.",
        choices=("none", "randaugment", "trivialaugment"),
    )
    randaugment_operations: int = _field(2, "Number of operations that RandAugment applies to an image.", ABOVE_ZERO)
    randaugment_magnitude: int = _field(9, "Magnitude of RandAugment's operations, 0 to 30.")
    random_erasing: float = _field(0.0, "Probability of erasing a random rectangle of an image.", FRACTION)
    mixup: float = _field(0.0, "Alpha of mixup's Beta(alpha, alpha); 0 for none.", NOT_NEGATIVE)
    cutmix: float = _field(
        0.0,
        "Alpha of CutMix's Beta(alpha, alpha); 0 for none. With both, each batch gets either mixup or CutMix.",
        NOT_NEGATIVE,
    )
    label_smoothing: float = _field(0.0, "Fraction of each label that is spread over all classes.", FRACTION)
    crop_fraction: float = _field(
        1.0,
        "Center crop of test images, as a fraction of their resized short side.",
        FRACTION_ABOVE_ZERO,
        group="test view",
    )
    interpolation: str = _field(
        "bilinear", "Interpolation of test images: bilinear or bicubic.", choices=("bilinear", "bicubic")
    )
    repeated_augmentation: int = _field(
        1,
        "Augmented copies of each image in a batch; with n copies, an epoch visits one image in n.",
        ABOVE_ZERO,
        group="augmentation",
    )
    sync_batch_norm: bool = _field(False, "Synchronize batch normalization over all devices.", group="devices")
    precision: str = _field(
        "float32",
        "Precision of training: float32, mixed_bfloat16 (CPU, GPU) or mixed_float16 (GPU).",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    seed: int = _field(
        0, "Random seed of initial weights, validation split, order and augmentation.", NOT_NEGATIVE, group="run"
    )

    def __post_init__(self) -> None:
        for field in setting_fields():
            value, choices, rule = getattr(self, field.name), field.metadata["choices"], field.metadata["rule"]
            if choices and value not in choices:
                raise unknown_name(field.name, value, choices)
            if rule and not rule.holds(value):
                raise ValueError(f"recipe: {field.name}={value} {rule.text}.")
        if self.crop == "scale_jitter" and self.scale_jitter[0] < 1:
            raise ValueError(
                f"recipe: scale_jitter={self.scale_jitter} must start at 1 or above, so that the crop fits."
            )

    @property
    def soft_labels(self) -> bool:
        """Whether labels are mixed or smoothed, and therefore probabilities of all classes."""
        return bool(self.mixup or self.cutmix or self.label_smoothing)


# The names of fields in version 0.1.0, which older run directories contain, and their names now.
RENAMED_FIELDS = {
    "policy": "auto_augment",
    "policy_operations": "randaugment_operations",
    "policy_magnitude": "randaugment_magnitude",
    "erasing": "random_erasing",
    "repeats": "repeated_augmentation",
    "lighting": "pca_lighting",
    "schedule_steps": "milestones",
    "warmup": "warmup_fraction",
    "warmup_rate": "warmup_learning_rate",
    "warmup_error": "warmup_until_error",
    "warmup_depth": "warmup_min_layers",
}


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


# All of section 4.2 of the paper: 45k/5k split, pad 4 and random crop, flip, per-pixel mean, batch
# 128, rate 0.1 divided by 10 at 32k and 48k of 64k iterations, weight decay 1e-4, momentum 0.9, and
# for 110 layers a rate of 0.01 until the training error is below 80 %.
_CIFAR_STEPS_PER_EPOCH = 352  # 45,000 images in batches of 128
_CIFAR: dict[str, Any] = dict(weight_decay=1e-4, validation_fraction=0.1, per_pixel_mean=True, pad=4, flip=True)
# Common to both ImageNet recipes. Without a validation set, a tenth of the training images is held out.
_IMAGENET: dict[str, Any] = dict(
    batch_size=256, weight_decay=1e-4, validation_fraction=0.1, flip=True, pca_lighting=0.1, crop_fraction=0.875
)
RECIPES: dict[str, Recipe] = {
    "cifar_he2015": Recipe(
        **_CIFAR,
        source="He et al. 2015, section 4.2, https://arxiv.org/abs/1512.03385",
        expected="published: CIFAR-10 test error 8.75 % (resnet20_cifar) to 6.43 % (resnet110_cifar)",
        epochs=64_000 / _CIFAR_STEPS_PER_EPOCH,  # 64k iterations
        schedule="steps",
        milestones=(32 / 64, 48 / 64),
        warmup_learning_rate=0.01,
    ),
    "cifar_he2015_plateau": Recipe(
        **_CIFAR,
        source="He et al. 2015, section 4.2, with the plateau rule of section 3.4",
        expected="not published",
        epochs=64_000 / _CIFAR_STEPS_PER_EPOCH,
        schedule="plateau",
        warmup_learning_rate=0.01,
    ),
    "cifar_quick": Recipe(
        **_CIFAR,
        source="this package: the paper's recipe with a cosine schedule, for machines without a GPU",
        expected="measured here: test accuracy 0.80 (resnet20_cifar, 5 epochs; README)",
        epochs=20,
        nesterov=True,
        schedule="cosine",
        warmup_fraction=0.1,
    ),
    "he2015": Recipe(
        **_IMAGENET,
        source="He et al. 2015, section 3.4, https://arxiv.org/abs/1512.03385; the paper does not state the patience",
        expected="published: ImageNet 10-crop error 27.88 % (resnet18, option A) to 21.43 % (resnet152_v1)",
        epochs=120,
        schedule="plateau",
        plateau_patience=5,
        per_pixel_mean=True,
        crop="scale_jitter",
    ),
    "fb2016": Recipe(
        **_IMAGENET,
        source="Gross and Wilber 2016, https://github.com/facebookarchive/fb.resnet.torch; here, training images are "
        "resized bilinearly, there bicubically",
        expected="published: ImageNet 1-crop error 30.43 % (resnet18) to 22.16 % (resnet152)",
        epochs=90,
        schedule="steps",
        milestones=(30 / 90, 60 / 90),
        nesterov=True,
        crop="random_resized",
        color_jitter=0.4,
        interpolation="bicubic",
    ),
    "photos_quick": Recipe(
        source="this package: a cosine schedule and large crops, for a few thousand photos, without a GPU",
        expected="measured here: see the README",
        epochs=20,
        batch_size=64,
        learning_rate=0.1,
        nesterov=True,
        weight_decay=5e-4,
        schedule="cosine",
        warmup_fraction=0.1,
        validation_fraction=0.1,
        image_size=64,
        crop="random_resized",
        crop_area=(0.35, 1.0),
        flip=True,
        crop_fraction=0.875,
    ),
    "finetune": Recipe(
        source="this package: a low learning rate and a short cosine schedule, for pretrained weights",
        expected="not measured: depends on the weights and photos",
        epochs=5,
        batch_size=32,
        learning_rate=0.01,
        weight_decay=1e-4,
        schedule="cosine",
        warmup_fraction=0.1,
        validation_fraction=0.1,
        flip=True,
    ),
    "digits": Recipe(
        source="this package: scikit-learn's handwritten digits, for `make demo`",
        expected="measured here: test accuracy 0.989 (README)",
        epochs=40,
        batch_size=64,
        nesterov=True,
        weight_decay=1e-4,
        schedule="cosine",
        warmup_fraction=0.1,
        validation_fraction=0.1,
        per_pixel_mean=True,
        pad=1,
    ),
}


def settings(recipe: Recipe) -> dict[str, Any]:
    """A recipe's values that determine the result, by name: all but `source` and `expected`.

    Example:
        >>> import keras_resnet.recipes
        >>> keras_resnet.recipes.settings(keras_resnet.Recipe())["batch_size"]
        128
    """
    return {field.name: getattr(recipe, field.name) for field in setting_fields()}


def get_recipe(recipe: str | Recipe) -> Recipe:
    """The recipe with that name; a `Recipe` is returned unchanged.

    Raises:
        ValueError: the name is unknown; the message suggests similar names.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.get_recipe("cifar_he2015").milestones
        (0.5, 0.75)
    """
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in RECIPES:
        raise unknown_name("recipe", recipe, RECIPES)
    return RECIPES[recipe]
