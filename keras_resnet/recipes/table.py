"""RECIPES: the table of recipes."""

from typing import Any

from keras_resnet.errors import check_name, shown
from keras_resnet.recipes.recipe import Recipe

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


def get_recipe(recipe: str | Recipe) -> Recipe:
    """The recipe with that name; a `Recipe` is returned unchanged.

    Raises:
        ValueError: the name is unknown, and the message suggests similar names; or `recipe` is neither.

    Example:
        >>> import keras_resnet
        >>> keras_resnet.get_recipe("cifar_he2015").milestones
        (0.5, 0.75)
    """
    if isinstance(recipe, Recipe):
        return recipe
    if not isinstance(recipe, str):
        raise ValueError(f"recipe={shown(recipe)} must be a Recipe or the name of one.")
    check_name("recipe", recipe, RECIPES)
    return RECIPES[recipe]
