"""Recipes for fine-tuning, whose length and rate depend on the number of training images."""

import math
from collections.abc import Callable

from keras_resnet.recipes.recipe import Recipe

FEW, MANY = 20_000, 500_000  # images: BiT's bounds of small and medium tasks


def finetune(images: int) -> Recipe:
    """For pretrained weights and photos: the classifier first, then all layers, at a length by the number of images.

    Args:
        images: number of training images.

    Example:
        >>> from keras_resnet.recipes import get_recipe
        >>> get_recipe("finetune", images=650).epochs > get_recipe("finetune", images=50_000).epochs
        True
    """
    batch_size = 32
    steps = min(max(400, images // 10), 20_000)
    return Recipe(
        source="this package: the classifier first, then all layers, with a cosine schedule, for pretrained weights",
        epochs=_epochs(steps, batch_size, images),
        batch_size=batch_size,
        learning_rate=0.01,
        weight_decay=1e-4,
        schedule="cosine",
        warmup_fraction=0.1,
        validation_fraction=0.1,
        balanced_classes=True,  # folders of few photos are often unequal; where they are equal, all weights are 1
        unfreeze_milestones=(0.2,),
        crop="random_resized",
        crop_area=(0.35, 1.0),
        flip=True,
    )


def bit_hyperrule(images: int) -> Recipe:
    """BiT's rule: steps, schedule and mixup by the number of training images.

    Source: Kolesnikov et al. 2019, Big Transfer, section 3.3, https://arxiv.org/abs/1912.11370, and the authors'
    bit_hyperrule.py. Photos smaller than 96 x 96 pixels are meant to be trained at image_size=128, with a scale_jitter
    of 160 / 128.

    Args:
        images: number of training images.

    Example:
        >>> from keras_resnet.recipes import get_recipe
        >>> recipe = get_recipe("bit_hyperrule", images=50_000)
        >>> round(recipe.epochs * -(-50_000 // recipe.batch_size)), recipe.mixup
        (10000, 0.1)
    """
    steps = 500 if images < FEW else 10_000 if images < MANY else 20_000
    warmup, milestones = (100 / 500, (0.4, 0.6, 0.8)) if images < FEW else (500 / steps, (0.3, 0.6, 0.9))
    return Recipe(
        source="Kolesnikov et al. 2019, Big Transfer, section 3.3, https://arxiv.org/abs/1912.11370",
        published="ImageNet top-1 accuracy 87.5 %, CIFAR-10 99.4 % (resnetv2_152x4_bit, from weights of JFT-300M)",
        epochs=_epochs(steps, 512, images),
        batch_size=512,
        learning_rate=0.003,
        schedule="steps",
        milestones=milestones,
        warmup_fraction=warmup,
        mixup=0.0 if images < FEW else 0.1,
        image_size=480,
        crop="scale_jitter",
        scale_jitter=(512 / 480, 512 / 480),
        flip=True,
    )


def _epochs(steps: int, batch_size: int, images: int) -> float:
    """The epochs of so many steps; the last batch of an epoch may be smaller."""
    return steps / math.ceil(images / batch_size)


SIZED: dict[str, Callable[[int], Recipe]] = {"finetune": finetune, "bit_hyperrule": bit_hyperrule}
