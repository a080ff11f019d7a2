"""Recipe: a training setup, all that determines the result. RECIPES: the table of them."""

import dataclasses

from keras_resnet.names import unknown_name

SCHEDULES = ("steps", "cosine", "plateau", "constant")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@dataclasses.dataclass(frozen=True)
class Recipe:
    """How a model is trained.

    Whatever changes the result is a field here; beside those stand only `source` and `expected`.
    Times in `schedule_steps` and `warmup` are fractions of the whole run, so that a shorter run
    (another `epochs`) keeps the shape of its schedule.

    Raises:
        ValueError: a value outside its range, said by name.

    Example:
        >>> import dataclasses, keras_resnet
        >>> recipe = keras_resnet.RECIPES["cifar_quick"]
        >>> dataclasses.replace(recipe, epochs=5).epochs
        5
    """

    source: str = dataclasses.field(default="", compare=False)  # where the recipe comes from
    expected: str = dataclasses.field(default="", compare=False)  # what it gives: published, or measured here
    epochs: float = 10  # passes over the training images; a fraction ends within the last pass
    batch_size: int = 128  # images a step, over all devices
    learning_rate: float = 0.1  # the base rate, at batch_size
    momentum: float = 0.9  # of SGD, 0 to 1
    nesterov: bool = False  # look ahead by the momentum
    weight_decay: float = 0.0  # lambda of lambda / 2 x |w|^2 in the loss, over every trainable weight
    schedule: str = "constant"  # "steps", "cosine" to zero, "plateau" or "constant"
    schedule_steps: tuple[float, ...] = ()  # where "steps" divides the rate by 10, fractions of the run
    warmup: float = 0.0  # linear from zero to the base rate, fraction of the run
    warmup_rate: float = 0.0  # rate until the training error is below warmup_error; 0 for none
    warmup_error: float = 0.8  # running training error of an epoch, 0 to 1
    warmup_depth: int = 110  # warmup_rate applies to nets of at least so many weighted layers
    plateau_patience: int = 10  # epochs without a lower validation error before the rate is divided by 10
    validation_fraction: float = 0.0  # of the training images, held out where the data have no validation split
    per_pixel_mean: bool = False  # subtract the mean training image, instead of ImageNet's mean and deviation
    pad: int = 0  # black pixels around a training image before a random crop of its size
    flip: bool = False  # mirror half of the training images
    precision: str = "float32"  # or "mixed_bfloat16" (CPU, GPU), "mixed_float16" (GPU)
    seed: int = 0  # of the weights, the split, the order and the augmentation

    def __post_init__(self):
        for field, minimum in (("epochs", 0), ("batch_size", 0), ("learning_rate", 0), ("plateau_patience", 0)):
            if not getattr(self, field) > minimum:
                raise ValueError(f"recipe: {field}={getattr(self, field)} must be above {minimum}.")
        for field in ("momentum", "weight_decay", "pad", "warmup_rate", "seed"):
            if not getattr(self, field) >= 0:
                raise ValueError(f"recipe: {field}={getattr(self, field)} must not be negative.")
        for field in ("validation_fraction", "warmup", "warmup_error"):
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(f"recipe: {field}={getattr(self, field)} must lie between 0 and 1.")
        if list(self.schedule_steps) != sorted(self.schedule_steps) or not all(0 < s < 1 for s in self.schedule_steps):
            raise ValueError(f"recipe: schedule_steps={self.schedule_steps} must rise within 0 and 1.")
        if self.schedule not in SCHEDULES:
            raise unknown_name("schedule", self.schedule, SCHEDULES)
        if self.precision not in PRECISIONS:
            raise unknown_name("precision", self.precision, PRECISIONS)


# Section 4.2 of the paper, whole: 45k/5k split, pad 4 and random crop, flip, per-pixel mean, batch
# 128, rate 0.1 divided by 10 at 32k and 48k of 64k iterations, weight decay 1e-4, momentum 0.9, and
# for 110 layers a rate of 0.01 until the training error is below 80 %.
_CIFAR_STEPS_PER_EPOCH = 352  # batches of 128 that 45,000 images make
_CIFAR = dict(weight_decay=1e-4, validation_fraction=0.1, per_pixel_mean=True, pad=4, flip=True)

RECIPES = {
    "cifar_he2015": Recipe(
        **_CIFAR,
        source="He et al. 2015, section 4.2, https://arxiv.org/abs/1512.03385",
        expected="published: CIFAR-10 test error 8.75 % (resnet20_cifar) to 6.43 % (resnet110_cifar)",
        epochs=64_000 / _CIFAR_STEPS_PER_EPOCH,  # 64k iterations
        schedule="steps",
        schedule_steps=(32 / 64, 48 / 64),
        warmup_rate=0.01,
    ),
    "cifar_he2015_plateau": Recipe(
        **_CIFAR,
        source="He et al. 2015, section 4.2, with the plateau rule of its section 3.4",
        expected="not published",
        epochs=64_000 / _CIFAR_STEPS_PER_EPOCH,
        schedule="plateau",
        warmup_rate=0.01,
    ),
    "cifar_quick": Recipe(
        **_CIFAR,
        source="this package: the paper's recipe with a cosine schedule, for a machine without a GPU",
        expected="measured here: test accuracy 0.80 (resnet20_cifar, 5 epochs; README)",
        epochs=20,
        nesterov=True,
        schedule="cosine",
        warmup=0.1,
    ),
    "finetune": Recipe(
        source="this package: a small rate and a short cosine schedule, for weights that know images already",
        expected="not measured: it depends on weights and photos",
        epochs=5,
        batch_size=32,
        learning_rate=0.01,
        weight_decay=1e-4,
        schedule="cosine",
        warmup=0.1,
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
        warmup=0.1,
        validation_fraction=0.1,
        per_pixel_mean=True,
        pad=1,
    ),
}


def settings(recipe: Recipe) -> dict:
    """The fields that determine the result, by name: all but `source` and `expected`.

    Example:
        >>> import keras_resnet.recipes
        >>> keras_resnet.recipes.settings(keras_resnet.Recipe())["batch_size"]
        128
    """
    return {field.name: getattr(recipe, field.name) for field in dataclasses.fields(recipe) if field.compare}


def get_recipe(recipe: str | Recipe) -> Recipe:
    """The recipe of that name; a `Recipe` is returned as it is.

    Raises:
        ValueError: no such recipe; the message lists the nearest.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.get_recipe("cifar_he2015").schedule_steps
        (0.5, 0.75)
    """
    if isinstance(recipe, Recipe):
        return recipe
    if recipe not in RECIPES:
        raise unknown_name("recipe", recipe, RECIPES)
    return RECIPES[recipe]
