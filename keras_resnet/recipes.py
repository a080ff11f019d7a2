"""Recipe: a training setup, all that determines the result. RECIPES: the table of them."""

import dataclasses

from keras_resnet.errors import unknown_name

CHOICES = {
    "schedule": ("steps", "cosine", "plateau", "constant"),
    "crop": ("center", "scale_jitter", "random_resized"),
    "policy": ("none", "randaugment", "trivialaugment"),
    "interpolation": ("bilinear", "bicubic"),
    "precision": ("float32", "mixed_bfloat16", "mixed_float16"),
}
ABOVE_ZERO = (
    "epochs",
    "batch_size",
    "learning_rate",
    "plateau_patience",
    "image_size",
    "crop_fraction",
    "policy_operations",
    "repeats",
)
NOT_NEGATIVE = ("momentum", "weight_decay", "pad", "warmup_rate", "seed", "color_jitter", "lighting", "mixup", "cutmix")
SHARES = ("validation_fraction", "warmup", "warmup_error", "crop_fraction", "erasing", "label_smoothing")
PAIRS = {"scale_jitter": float("inf"), "crop_area": 1}  # and the highest value


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
    image_size: int = 224  # side of the images, pixels; where all have one size, they keep it
    crop: str = "center"  # of training images: "center", "scale_jitter" (2015 paper) or "random_resized" (GoogLeNet)
    scale_jitter: tuple[float, ...] = (256 / 224, 480 / 224)  # least and greatest short side, in image_size
    crop_area: tuple[float, ...] = (0.08, 1.0)  # least and greatest share of the image that "random_resized" takes
    pad: int = 0  # black pixels around a training image before a random crop of its size
    flip: bool = False  # mirror half of the training images
    color_jitter: float = 0.0  # brightness, contrast and saturation change by up to this share
    lighting: float = 0.0  # deviation of AlexNet's PCA colour; the papers' is 0.1
    policy: str = "none"  # "randaugment", "trivialaugment" or "none"
    policy_operations: int = 2  # of RandAugment on an image
    policy_magnitude: int = 9  # of RandAugment's operations, 0 to 30
    erasing: float = 0.0  # share of the images that lose a rectangle
    mixup: float = 0.0  # alpha of mixup's Beta(alpha, alpha); 0 for none
    cutmix: float = 0.0  # alpha of CutMix's; with mixup, each batch gets one of them
    label_smoothing: float = 0.0  # share of a label that is spread over all classes
    crop_fraction: float = 1.0  # share of the resized short side that the centre crop of a test takes
    interpolation: str = "bilinear"  # of a test's resizing, or "bicubic"
    repeats: int = 1  # augmented copies of an image in a batch; an epoch then visits 1 / repeats of the images
    sync_batch_norm: bool = False  # normalize by the images of all devices together
    precision: str = "float32"  # or "mixed_bfloat16" (CPU, GPU), "mixed_float16" (GPU)
    seed: int = 0  # of the weights, the split, the order and the augmentation

    def __post_init__(self):
        for field in ABOVE_ZERO:
            if not getattr(self, field) > 0:
                raise ValueError(f"recipe: {field}={getattr(self, field)} must be above 0.")
        for field in NOT_NEGATIVE:
            if not getattr(self, field) >= 0:
                raise ValueError(f"recipe: {field}={getattr(self, field)} must not be negative.")
        for field in SHARES:
            if not 0 <= getattr(self, field) <= 1:
                raise ValueError(f"recipe: {field}={getattr(self, field)} must lie between 0 and 1.")
        for field, highest in PAIRS.items():
            pair = getattr(self, field)
            if not (len(pair) == 2 and 0 < pair[0] <= pair[1] <= highest):
                raise ValueError(f"recipe: {field}={pair} must be two rising numbers above 0, at most {highest}.")
        for field, choices in CHOICES.items():
            if getattr(self, field) not in choices:
                raise unknown_name(field, getattr(self, field), choices)
        if list(self.schedule_steps) != sorted(self.schedule_steps) or not all(0 < s < 1 for s in self.schedule_steps):
            raise ValueError(f"recipe: schedule_steps={self.schedule_steps} must rise within 0 and 1.")
        if self.crop == "scale_jitter" and self.scale_jitter[0] < 1:
            raise ValueError(f"recipe: scale_jitter={self.scale_jitter} must start at 1 or above, to hold the crop.")

    @property
    def soft_labels(self) -> bool:
        """Whether labels are probabilities of all classes: mixed or smoothed."""
        return bool(self.mixup or self.cutmix or self.label_smoothing)


# Section 4.2 of the paper, whole: 45k/5k split, pad 4 and random crop, flip, per-pixel mean, batch
# 128, rate 0.1 divided by 10 at 32k and 48k of 64k iterations, weight decay 1e-4, momentum 0.9, and
# for 110 layers a rate of 0.01 until the training error is below 80 %.
_CIFAR_STEPS_PER_EPOCH = 352  # batches of 128 that 45,000 images make
_CIFAR = dict(weight_decay=1e-4, validation_fraction=0.1, per_pixel_mean=True, pad=4, flip=True)
# What both of ImageNet's recipes share; where there is no validation set, a tenth of the images serves.
_IMAGENET = dict(
    batch_size=256, weight_decay=1e-4, validation_fraction=0.1, flip=True, lighting=0.1, crop_fraction=0.875
)
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
    "he2015": Recipe(
        **_IMAGENET,
        source="He et al. 2015, section 3.4, https://arxiv.org/abs/1512.03385; the patience is not in it",
        expected="published: ImageNet 10-crop error 27.88 % (resnet18, option A) to 21.43 % (resnet152_v1)",
        epochs=120,
        schedule="plateau",
        plateau_patience=5,
        per_pixel_mean=True,
        crop="scale_jitter",
    ),
    "fb2016": Recipe(
        **_IMAGENET,
        source="Gross and Wilber 2016, https://github.com/facebookarchive/fb.resnet.torch; training images are resized "
        "bilinearly, theirs bicubically",
        expected="published: ImageNet 1-crop error 30.43 % (resnet18) to 22.16 % (resnet152)",
        epochs=90,
        schedule="steps",
        schedule_steps=(30 / 90, 60 / 90),
        nesterov=True,
        crop="random_resized",
        color_jitter=0.4,
        interpolation="bicubic",
    ),
    "photos_quick": Recipe(
        source="this package: a cosine schedule and large crops, for a few thousand photos and no GPU",
        expected="measured here: see the README",
        epochs=20,
        batch_size=64,
        learning_rate=0.1,
        nesterov=True,
        weight_decay=5e-4,
        schedule="cosine",
        warmup=0.1,
        validation_fraction=0.1,
        image_size=64,
        crop="random_resized",
        crop_area=(0.35, 1.0),
        flip=True,
        crop_fraction=0.875,
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
