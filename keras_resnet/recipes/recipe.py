"""Recipe: a training setup, with every setting that determines the result."""

import dataclasses

from keras_resnet.choices import INTERPOLATIONS
from keras_resnet.recipes.field import checked, setting, unmet_need
from keras_resnet.rules import (
    ABOVE_ZERO,
    FRACTION,
    INCREASING_FRACTIONS,
    NOT_NEGATIVE,
    Rule,
    at_most,
    below,
    between,
    equals,
    increasing_pair,
)

LARGEST_INT = 2**31 - 1  # of TensorFlow's int32, which seeds and indices have
LARGEST_SIDE = 2**14  # of an image, pixels
_STEPS = ("schedule", equals("steps"))
_PLATEAU = ("schedule", equals("plateau"))
_NONZERO = Rule(lambda value: value != 0, "must be above 0")
_SLOW_START = ("warmup_learning_rate", _NONZERO)
_RANDAUGMENT = ("auto_augment", equals("randaugment"))
_SGD = ("optimizer", equals("sgd"))
_MUON = ("optimizer", equals("muon"))
_WITH_MOMENTUM = ("optimizer", Rule(lambda name: name in ("sgd", "muon"), "must be 'sgd' or 'muon'"))
_PIXELS = Rule(
    lambda sizes: all(size == int(size) and 0 < size <= LARGEST_SIDE for size in sizes),
    f"must be whole numbers of pixels, up to {LARGEST_SIDE}",
)


@dataclasses.dataclass(frozen=True, repr=False)
class Recipe:
    """A training setup.

    Every setting that changes the result is a field; `source`, `published` and `measured` only describe the recipe.
    `milestones`, `warmup_fraction` and other points in time are fractions of the whole run, so a shorter run (fewer
    `epochs`) has a schedule of the same shape. The metadata of each `dataclasses.field` holds its help text, rules,
    choices, and when it has an effect.

    `repr` shows the settings that differ from the defaults.

    Raises:
        ValueError: a value has another type or is out of range, or a setting has no effect beside the others; the
            message names the field.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.get_recipe("cifar_quick", epochs=5).epochs
        5
    """

    source: str = dataclasses.field(default="", compare=False)  # where the recipe comes from
    published: str = dataclasses.field(default="", compare=False)  # the accuracy that the source states
    measured: str = dataclasses.field(default="", compare=False)  # the accuracy that was measured here

    epochs: float = setting(
        10, "Passes over the training images; may be fractional.", ABOVE_ZERO, at_most(1e6), group="schedule"
    )
    batch_size: int = setting(128, "Images per step, over all devices.", ABOVE_ZERO, at_most(LARGEST_INT))
    learning_rate: float = setting(0.1, "Base learning rate, for this batch_size.", ABOVE_ZERO)
    learning_rate_per_256: bool = setting(
        False,
        "Multiply the learning rate by the images of an update / 256 (Goyal et al. 2017); an update has batch_size x "
        "accumulation_steps images.",
    )
    optimizer: str = setting(
        "sgd",
        "Optimizer: sgd, adamw, lamb, or muon (for the kernels of convolutions).",
        choices=("sgd", "adamw", "lamb", "muon"),
        group="optimizer",
    )
    momentum: float = setting(
        0.9, "Momentum of SGD or Muon, 0 to below 1.", NOT_NEGATIVE, below(1), needs=_WITH_MOMENTUM
    )
    nesterov: bool = setting(False, "Use Nesterov momentum.", needs=("momentum", _NONZERO))
    momentum_form: str = setting(
        "keras",
        "Where SGD applies the learning rate: keras (also Caffe: in the momentum) or pytorch (outside it). They differ "
        "while the rate changes.",
        choices=("keras", "pytorch"),
        needs=_SGD,
    )
    other_optimizer: str = setting(
        "sgd",
        "Optimizer of the weights that Muon leaves out (classifier, first convolution, all vectors): sgd or adamw.",
        choices=("sgd", "adamw"),
        needs=_MUON,
    )
    other_learning_rate_ratio: float = setting(
        1.0, "Learning rate of the weights that Muon leaves out, as a multiple of Muon's.", ABOVE_ZERO, needs=_MUON
    )
    muon_weight_decay: float = setting(
        0.0, "Decoupled weight decay of the kernels that Muon updates.", NOT_NEGATIVE, needs=_MUON
    )
    weight_decay: float = setting(
        0.0,
        "Weight decay lambda. With sgd, an L2 penalty in the loss: lambda / 2 x |w|^2; with adamw, decoupled; with "
        "lamb, inside the trust ratio; with muon, only of the weights that it leaves out.",
        NOT_NEGATIVE,
    )
    decayed_weights: str = setting(
        "all",
        "Weights that decay: all, or kernels (neither biases nor the gamma and beta of normalizations).",
        choices=("all", "kernels"),
        needs=("weight_decay", _NONZERO),
    )
    clip_norm: float = setting(
        0.0, "Largest norm of all gradients together; larger ones are scaled. 0: no limit.", NOT_NEGATIVE
    )
    accumulation_steps: int = setting(
        1, "Steps whose gradients are averaged for one update of the weights.", ABOVE_ZERO, at_most(LARGEST_INT)
    )
    stage_rate_decay: float = setting(
        1.0,
        "Factor on the learning rate from each stage to the one before it; the classifier has the full rate.",
        ABOVE_ZERO,
        at_most(1),
    )
    ema_decay: float = setting(
        0.0,
        "Decay per step of the moving average of all weights, saved as ema.keras and evaluated too; 0 for none.",
        NOT_NEGATIVE,
        below(1),
    )
    loss: str = setting(
        "cross_entropy",
        "Loss: cross_entropy, or binary_cross_entropy of each class, with a sigmoid instead of the softmax.",
        choices=("cross_entropy", "binary_cross_entropy"),
        group="loss",
    )
    bce_threshold: float = setting(
        0.0,
        "Labels above it count as 1 for binary_cross_entropy, others as 0, so that both classes of mixed images are "
        "right; 0 to keep mixed labels.",
        NOT_NEGATIVE,
        below(1),
        needs=("loss", equals("binary_cross_entropy")),
    )
    balanced_classes: bool = setting(False, "Weight each class by the inverse of its number of training images.")
    label_smoothing: float = setting(0.0, "Fraction of each label that is spread over all classes.", FRACTION)
    distillation_weight: float = setting(0.0, "Weight of the teacher in the loss, 0 to 1; 0 for no teacher.", FRACTION)
    distillation_temperature: float = setting(
        1.0,
        "Temperature of teacher and student in the loss of distillation.",
        ABOVE_ZERO,
        needs=("distillation_weight", _NONZERO),
    )
    schedule: str = setting(
        "constant",
        "Learning rate schedule: constant, steps (division by 10 at each milestone), cosine or linear (to zero), or "
        "plateau.",
        choices=("steps", "cosine", "linear", "plateau", "constant"),
        group="schedule",
    )
    milestones: tuple[float, ...] = setting(
        (),
        "Fractions of the run at which the steps schedule divides the rate by 10.",
        INCREASING_FRACTIONS,
        needs=_STEPS,
    )
    warmup_fraction: float = setting(0.0, "Fraction of the run for linear warm-up to the base rate.", FRACTION)
    warmup_start: float = setting(
        0.0,
        "Start of the linear warm-up, as a fraction of the base rate.",
        FRACTION,
        needs=("warmup_fraction", _NONZERO),
    )
    warmup_learning_rate: float = setting(
        0.0,
        "Learning rate until the training error is below warmup_until_error; 0 to start at the base rate.",
        NOT_NEGATIVE,
    )
    warmup_until_error: float = setting(
        0.8,
        "Training error, 0 to 1, below which the base rate replaces warmup_learning_rate.",
        FRACTION,
        needs=_SLOW_START,
    )
    warmup_min_layers: int = setting(
        110,
        "Minimum number of weighted layers of networks that start at warmup_learning_rate.",
        NOT_NEGATIVE,
        needs=_SLOW_START,
    )
    plateau_patience: int = setting(
        10,
        "Epochs without a lower validation error until the plateau schedule divides the rate by 10.",
        ABOVE_ZERO,
        needs=_PLATEAU,
    )
    early_stopping_patience: int = setting(
        0,
        "Epochs without a lower validation error until the run ends; 0 for no early stop.",
        NOT_NEGATIVE,
        at_most(LARGEST_INT),
    )
    frozen_statistics: bool = setting(
        False,
        "Normalize with the batch statistics of the starting weights, which stay as they are.",
        group="fine-tuning",
    )
    unfreeze_milestones: tuple[float, ...] = setting(
        (),
        "Fractions of the run at which layers join the training: before the first one, only the classifier; at each, "
        "one more stage, from the last; at the last one, all.",
        INCREASING_FRACTIONS,
    )
    zero_init_residual: bool = setting(
        False, "Initialize the last gamma of each block with zeros (Goyal et al. 2017).", group="network"
    )
    whitened_stem: bool = setting(
        False, "Set the first convolution to a whitening of the images' patches, and do not train it (Page 2018)."
    )
    anti_alias: str = setting(
        "none", "Before each subsampling: none, blur (Zhang 2019) or average.", choices=("none", "blur", "average")
    )
    drop_path: float = setting(
        0.0, "Probability that an example skips the last block's branch; linearly lower before.", NOT_NEGATIVE, below(1)
    )
    dropout: float = setting(0.0, "Dropout rate before the classifier.", NOT_NEGATIVE, below(1))
    validation_fraction: float = setting(
        0.0,
        "Fraction of the training images to hold out, if the data have no validation split.",
        FRACTION,
        group="data",
    )
    per_pixel_mean: bool = setting(
        False, "Subtract the mean training image instead of normalizing with ImageNet's mean and standard deviation."
    )
    image_size: int = setting(
        224,
        "Height and width of the images in pixels; images of data sets with a single size keep it.",
        ABOVE_ZERO,
        at_most(LARGEST_SIDE),
    )
    early_sizes: tuple[float, ...] = setting(
        (), "Smaller sizes of training images in the first parts of the run, pixels; then image_size.", _PIXELS
    )
    size_milestones: tuple[float, ...] = setting(
        (),
        "Fractions of the run at which each of early_sizes ends.",
        INCREASING_FRACTIONS,
        needs=("early_sizes", Rule(bool, "must have a value")),
    )
    crop: str = setting(
        "center",
        "Crop of training images: center, scale_jitter (the 2015 paper) or random_resized (GoogLeNet).",
        choices=("center", "scale_jitter", "random_resized"),
        group="augmentation",
    )
    scale_jitter: tuple[float, ...] = setting(
        (256 / 224, 480 / 224),
        "Smallest and largest short side for scale_jitter, as multiples of image_size.",
        increasing_pair(0, 16),
        needs=("crop", equals("scale_jitter")),
    )
    crop_area: tuple[float, ...] = setting(
        (0.08, 1.0),
        "Smallest and largest fraction of the image's area for random_resized.",
        increasing_pair(0, 1),
        needs=("crop", equals("random_resized")),
    )
    pad: int = setting(
        0,
        "Black pixels added to each side of a training image before a random crop.",
        NOT_NEGATIVE,
        at_most(LARGEST_SIDE),
    )
    flip: bool = setting(False, "Flip half of the training images horizontally, at random.")
    color_jitter: float = setting(
        0.0, "Maximum random change of brightness, contrast and saturation, as a fraction.", NOT_NEGATIVE, at_most(1)
    )
    pca_lighting: float = setting(
        0.0, "Standard deviation of AlexNet's PCA color augmentation; 0.1 in the papers.", NOT_NEGATIVE, at_most(10)
    )
    auto_augment: str = setting(
        "none",
        "Automatic augmentation: none, randaugment or trivialaugment.",
        choices=("none", "randaugment", "trivialaugment"),
    )
    randaugment_operations: int = setting(
        2, "Number of operations that RandAugment applies to an image.", ABOVE_ZERO, at_most(100), needs=_RANDAUGMENT
    )
    randaugment_magnitude: int = setting(
        9,
        "Magnitude of RandAugment's operations, 0 to 30; three times that of timm and TensorFlow.",
        between(0, 30),
        needs=_RANDAUGMENT,
    )
    randaugment_probability: float = setting(
        1.0, "Probability that RandAugment applies each of its operations; 0.5 in timm.", FRACTION, needs=_RANDAUGMENT
    )
    random_erasing: float = setting(0.0, "Probability of erasing a random rectangle of an image.", FRACTION)
    mixup: float = setting(0.0, "Alpha of mixup's Beta(alpha, alpha); 0 for none.", NOT_NEGATIVE, at_most(1000))
    cutmix: float = setting(
        0.0,
        "Alpha of CutMix's Beta(alpha, alpha); 0 for none. With both, each batch gets either mixup or CutMix.",
        NOT_NEGATIVE,
        at_most(1000),
    )
    repeated_augmentation: int = setting(
        1,
        "Augmented copies of each image in a batch; with n copies, an epoch visits one image in n.",
        ABOVE_ZERO,
        at_most(1000),
    )
    test_size: int = setting(
        0,
        "Height and width of test images in pixels (FixRes); 0 for image_size.",
        NOT_NEGATIVE,
        at_most(LARGEST_SIDE),
        group="test view",
    )
    crop_fraction: float = setting(
        1.0, "Center crop of test images, as a fraction of their resized short side.", between(1 / 16, 1)
    )
    interpolation: str = setting(
        "bilinear", "Interpolation of test images: bilinear or bicubic.", choices=INTERPOLATIONS
    )
    test_protocol: str = setting(
        "center",
        "Views of a test image at the end of training: center, or flip (its mirror image too, probabilities averaged).",
        choices=("center", "flip"),
    )
    sync_batch_norm: bool = setting(False, "Synchronize batch normalization over all devices.", group="devices")
    precision: str = setting(
        "float32",
        "Precision of training: float32, mixed_bfloat16 (CPU, GPU) or mixed_float16 (GPU).",
        choices=("float32", "mixed_bfloat16", "mixed_float16"),
    )
    jit_compile: str = setting(
        "auto",
        "Compile training steps with XLA: auto (as Keras does: on a single GPU), on, off, or elementwise (only the "
        "elementwise operations: faster on a CPU in mixed_bfloat16).",
        choices=("auto", "on", "off", "elementwise"),
    )
    seed: int = setting(
        0,
        "Random seed of initial weights, validation split, order and augmentation.",
        between(0, LARGEST_INT),
        group="run",
    )

    def __post_init__(self) -> None:
        for field in settings_of(self):
            object.__setattr__(self, field.name, checked(field, getattr(self, field.name)))
        self._check_effects()
        self._check_together()

    def _check_effects(self) -> None:
        """Refuses settings that have no effect beside the others."""
        fields = {field.name: field for field in settings_of(self)}
        for name, field in fields.items():
            need = unmet_need(field, vars(self), fields)
            if need and getattr(self, name) != field.default:
                raise ValueError(
                    f"recipe: {name}={getattr(self, name)} has no effect with {need.setting}="
                    f"{getattr(self, need.setting)!r}; {need.setting} {need.rule.text}, or leave "
                    f"{name}={field.default!r}."
                )

    def _check_together(self) -> None:
        """Refuses settings that contradict each other."""
        if self.schedule == "steps" and not self.milestones:
            raise ValueError("recipe: schedule='steps' needs milestones, such as milestones=(0.5, 0.75).")
        if self.optimizer == "muon" and not self.momentum:
            raise ValueError("recipe: optimizer='muon' needs a momentum above 0, such as momentum=0.95.")
        if self.crop == "scale_jitter" and self.scale_jitter[0] < 1:
            raise ValueError(
                f"recipe: scale_jitter={self.scale_jitter} must start at 1 or above, so that the crop fits."
            )
        if len(self.early_sizes) != len(self.size_milestones):
            raise ValueError(
                f"recipe: early_sizes={self.early_sizes} needs as many size_milestones, not {self.size_milestones}."
            )
        if self.per_pixel_mean and (self.early_sizes or self.test_size):
            raise ValueError(
                "recipe: per_pixel_mean has the size of the images, which early_sizes and test_size change; leave out "
                "one of them."
            )
        if self.jit_compile in ("on", "elementwise") and self.sync_batch_norm:
            raise ValueError(
                f"recipe: jit_compile={self.jit_compile!r} cannot compile sync_batch_norm, which communicates within a "
                "step; leave out one of them."
            )
        if self.distillation_weight and self.loss != "cross_entropy":
            raise ValueError("recipe: distillation_weight needs loss='cross_entropy', the loss of Hinton et al. 2015.")
        if (
            self.schedule == "plateau"
            and self.early_stopping_patience
            and (self.early_stopping_patience <= self.plateau_patience)
        ):
            raise ValueError(
                f"recipe: early_stopping_patience={self.early_stopping_patience} ends the run before "
                f"plateau_patience={self.plateau_patience} can lower the rate; raise it."
            )

    def __repr__(self) -> str:
        changed = [
            f"{field.name}={getattr(self, field.name)!r}"
            for field in settings_of(self)
            if getattr(self, field.name) != field.default
        ]
        return f"Recipe({', '.join(changed)})"

    @property
    def soft_labels(self) -> bool:
        """Whether labels are probabilities of all classes: mixed, smoothed, or of a loss that needs them."""
        mixed = self.mixup or self.cutmix or self.label_smoothing
        return bool(mixed or self.loss == "binary_cross_entropy" or self.distillation_weight)

    @property
    def only_shifts(self) -> bool:
        """Whether training images are not changed, but for being padded, cropped at random, and mirrored."""
        colored = self.auto_augment != "none" or self.color_jitter or self.pca_lighting
        return self.crop == "center" and not (colored or self.random_erasing)

    @property
    def base_rate(self) -> float:
        """The learning rate that the schedule multiplies: `learning_rate`, scaled by `learning_rate_per_256`."""
        images = self.batch_size * self.accumulation_steps  # of an update of the weights
        return float(self.learning_rate * (images / 256 if self.learning_rate_per_256 else 1))

    @property
    def sizes(self) -> tuple[int, ...]:
        """All sizes of training images, in the order of the run."""
        return (*map(int, self.early_sizes), self.image_size)


def settings_of(recipe: Recipe | type[Recipe]) -> list[dataclasses.Field]:
    """The fields of a recipe, or of `Recipe`, that determine the result."""
    return [field for field in dataclasses.fields(recipe) if field.compare]
