"""Recipes for CIFAR-10 and other small images."""

from typing import Any

from keras_resnet.recipes.recipe import Recipe

# All of section 4.2 of the paper: 45k/5k split, pad 4 and random crop, flip, per-pixel mean, batch
# 128, rate 0.1 divided by 10 at 32k and 48k of 64k iterations, weight decay 1e-4, momentum 0.9, and
# for 110 layers a rate of 0.01 until the training error is below 80 %.
_STEPS_PER_EPOCH = 352  # 45,000 images in batches of 128
_HE2015: dict[str, Any] = dict(weight_decay=1e-4, validation_fraction=0.1, per_pixel_mean=True, pad=4, flip=True)
# Three fifths of the run on smaller images, of which more fit into the same time.
_GROWING: dict[str, Any] = dict(
    image_size=32, early_sizes=(16, 24), size_milestones=(0.25, 0.6), pad=4, flip=True, test_protocol="flip"
)
CIFAR: dict[str, Recipe] = {
    "cifar_he2015": Recipe(
        **_HE2015,
        source="He et al. 2015, section 4.2, https://arxiv.org/abs/1512.03385",
        published="CIFAR-10 test error 8.75 % (resnet20_cifar), 7.51 % (32), 7.17 % (44), 6.97 % (56), 6.43 % (110)",
        epochs=64_000 / _STEPS_PER_EPOCH,  # 64k iterations
        schedule="steps",
        milestones=(32 / 64, 48 / 64),
        warmup_learning_rate=0.01,
    ),
    "cifar_he2015_plateau": Recipe(
        **_HE2015,
        source="He et al. 2015, section 4.2, with the plateau rule of section 3.4",
        epochs=64_000 / _STEPS_PER_EPOCH,
        schedule="plateau",
        warmup_learning_rate=0.01,
    ),
    "cifar_quick": Recipe(
        **_HE2015,
        source="this package: the paper's recipe with a cosine schedule, for machines without a GPU",
        measured="test accuracy 0.80 (resnet20_cifar, 5 epochs; docs/results.md)",
        epochs=20,
        nesterov=True,
        schedule="cosine",
        warmup_fraction=0.1,
    ),
    "cifar_fast": Recipe(
        source="this package: growing images and a linear schedule, for an accuracy near the paper's in half an hour "
        "on two CPU cores",
        measured="accuracy 91.36 % with flips, two seeds, in 35 and 38 minutes; 91.47 % in 24 minutes of one core in "
        "bfloat16 (resnet20_cifar; docs/results.md)",
        epochs=25,
        batch_size=256,
        learning_rate=0.4,
        nesterov=True,
        weight_decay=5e-4,
        schedule="linear",
        warmup_fraction=0.2,
        **_GROWING,
    ),
    "cifar_muon": Recipe(
        source="this package: Muon on growing images, for resnet12_fast_cifar on CPU cores that compute in bfloat16",
        measured="accuracy 94.59 % with flips, three seeds, 25 minutes (resnet12_fast_cifar; docs/results.md)",
        epochs=16,
        batch_size=512,
        optimizer="muon",
        learning_rate=0.02,
        nesterov=True,
        other_learning_rate_ratio=20.0,
        muon_weight_decay=0.2,
        weight_decay=5e-4,
        label_smoothing=0.1,
        schedule="linear",
        warmup_fraction=0.1,
        whitened_stem=True,
        random_erasing=0.5,
        precision="mixed_bfloat16",
        **_GROWING,
    ),
    "digits": Recipe(
        source="this package: scikit-learn's handwritten digits, for `make demo`",
        measured="test accuracy 0.98 (README)",
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
