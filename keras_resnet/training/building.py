"""Models for a run: built for the data and the recipe, and compiled."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_resnet.data.loading import Data
from keras_resnet.distributed.elementwise import ELEMENTWISE
from keras_resnet.distributed.strategies import auto
from keras_resnet.distributed.workers import Worker
from keras_resnet.models.constructors import create_model
from keras_resnet.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from keras_resnet.recipes import Recipe
from keras_resnet.training.distillation import Teacher
from keras_resnet.training.fine_tuning import check_fine_tuning
from keras_resnet.training.image_sizes import input_shape
from keras_resnet.training.losses import loss_for
from keras_resnet.training.memory import check_memory
from keras_resnet.training.network_settings import network_settings, note_network_settings
from keras_resnet.training.optimizers import copy_of, recipe_optimizer, set_weight_decay
from keras_resnet.training.whitening import whiten_stem

JIT_COMPILE = {"auto": "auto", "on": True, "off": False, ELEMENTWISE: ELEMENTWISE}  # the values of `Model.compile`


def compiled_model(
    model: str | keras.Model,
    data: Data,
    recipe: Recipe,
    strategy: tf.distribute.Strategy | None = None,
    optimizer: keras.optimizers.Optimizer | None = None,
    teacher: Teacher | None = None,
) -> tuple[keras.Model, Worker]:
    """Builds (if `model` is a name) and compiles a model for the data and the recipe.

    Returns:
        The model, and this process as a worker of the strategy.

    Raises:
        ValueError: model, data and recipe do not fit together, or the precision needs another device.
        MemoryError: a batch does not fit into memory.
    """
    if recipe.precision == "mixed_float16" and not tf.config.list_logical_devices("GPU"):
        raise ValueError("mixed_float16 needs a GPU; on a CPU use mixed_bfloat16 or float32.")
    strategy = strategy or default_strategy(model)
    worker = Worker(strategy)
    with strategy.scope():
        built = build_model(model, data, recipe) if isinstance(model, str) else model
        check_fine_tuning(built, recipe)
        images = min(recipe.batch_size, len(data.train))  # of a step
        check_memory(built, images // max(1, len(worker.addresses)), data.image_shape)
        labels = data.train.labels if recipe.balanced_classes else None  # of records, this reads all
        compile_for(built, recipe, optimizer, labels, teacher and teacher.placed(strategy))
    return built, worker


def default_strategy(model):
    """The strategy under which a model was built; for the name of a variant, `strategies.auto`."""
    return auto() if isinstance(model, str) else getattr(model, "distribute_strategy", None) or auto()


def build_model(
    name: str, /, data: Data, recipe: Recipe, weights: str | None = None, **own_options: Any
) -> keras.Model:
    """Builds the variant of that name for the data, with the recipe's seed, precision, normalization and network.

    `weights` to start from replace the random ones; published weights also bring their own normalization. The
    `own_options` of `keras_resnet.ResNet` count more than those of the variant and of the recipe.
    """
    keras.utils.set_random_seed(recipe.seed)
    options = network_settings(recipe)
    whitened = options.pop("whitened_stem", False)  # needs the built model
    if whitened and weights:
        raise ValueError(f"recipe: whitened_stem is for random weights; leave it out with weights={weights!r}.")
    options.update(weights=weights, input_shape=input_shape(data, recipe), classes=len(data.class_names))
    if recipe.loss == "binary_cross_entropy":
        options.update(classifier_activation="sigmoid")
    if recipe.per_pixel_mean:
        options.update(mean=data.mean_image(), std=1)
    elif data.image_shape[-1] == 1:
        options.update(mean=float(np.mean(IMAGENET_MEAN)), std=float(np.mean(IMAGENET_STD)))
    if recipe.sync_batch_norm:
        options.update(norm="sync_batch_norm")
    policy = keras.config.dtype_policy()
    keras.config.set_dtype_policy(recipe.precision)
    try:
        model = create_model(name, **{**options, **own_options})
    finally:
        keras.config.set_dtype_policy(policy)
    if whitened:
        whiten_stem(model, data)
    note_network_settings(model, recipe)
    return model


def compile_for(
    model: keras.Model,
    recipe: Recipe,
    optimizer: keras.optimizers.Optimizer | None = None,
    labels: np.ndarray | None = None,
    teacher: Teacher | None = None,
) -> None:
    """Compiles with the recipe's loss, weight decay, and an optimizer.

    Args:
        model: to compile.
        recipe: the training setup.
        optimizer: the user's own, which is copied; None for the recipe's.
        labels: class numbers of all training images, (N,); required if `recipe.balanced_classes`.
        teacher: the model to learn from; required if `recipe.distillation_weight`.

    Raises:
        ValueError: the recipe has learning rates by stage, and the model has no stages.
    """
    set_weight_decay(model, recipe)
    model.compile(
        optimizer=copy_of(optimizer) if optimizer else recipe_optimizer(recipe, model),
        loss=loss_for(model, recipe, labels, teacher),
        metrics=["accuracy"],
        jit_compile=JIT_COMPILE[recipe.jit_compile],
    )
    model.optimizer.build(model.trainable_variables)
