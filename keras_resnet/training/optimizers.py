"""The optimizer of a run, the recipe's or the user's own, and the paper's weight decay."""

import contextlib
import dataclasses
from collections.abc import Iterator

import keras
import numpy as np

from keras_resnet.errors import shown
from keras_resnet.recipes import Recipe

OF_RECIPE = "recipe_sgd"  # the name of the recipe's optimizer, in models that were trained before


def sgd(recipe: Recipe) -> keras.optimizers.SGD:
    """Stochastic gradient descent at the recipe's base learning rate and momentum.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.optimizers import sgd
        >>> sgd(keras_resnet.Recipe(momentum=0.8)).momentum
        0.8
    """
    return keras.optimizers.SGD(
        recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov, name=OF_RECIPE
    )


def own_optimizer(
    model: str | keras.Model, optimizer: str | keras.optimizers.Optimizer | None
) -> keras.optimizers.Optimizer | None:
    """The user's own optimizer: the one given, else the one that the model was compiled with; None without both.

    Raises:
        ValueError: `optimizer` is neither an optimizer nor the name of one.
    """
    if optimizer is None:
        compiled = getattr(model, "optimizer", None)
        return None if compiled is None or _unscaled(compiled).name == OF_RECIPE else compiled
    try:
        return keras.optimizers.get(optimizer)
    except (ValueError, TypeError, KeyError, AttributeError):  # of Keras's deserialization
        raise ValueError(f"optimizer={shown(optimizer)} must be a Keras optimizer or the name of one.") from None


def copy_of(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """A new optimizer of the same configuration, without the state of the given one. Call it under the strategy."""
    return type(optimizer).from_config(optimizer.get_config())


def has_schedule(optimizer: keras.optimizers.Optimizer) -> bool:
    """Whether the optimizer's learning rate is a `LearningRateSchedule`, which no callback can change."""
    return isinstance(_unscaled(optimizer).get_config()["learning_rate"], dict)


def recipe_for(optimizer: keras.optimizers.Optimizer | None, recipe: Recipe) -> Recipe:
    """The recipe with the learning rate of the user's own optimizer as the base rate of its schedule.

    Raises:
        ValueError: the optimizer's learning rate is 0, or both the optimizer and the recipe have a schedule.
    """
    if optimizer is None:
        return recipe
    if not has_schedule(optimizer):
        rate = float(str(np.float32(optimizer.learning_rate)))  # 0.001, which is not 0.0010000000474974513
        if not rate > 0:
            raise ValueError(f"The learning_rate of the optimizer {optimizer.name} is {rate:g}; it must be above 0.")
        return dataclasses.replace(recipe, learning_rate=rate)
    if recipe.schedule != "constant" or recipe.warmup_fraction or recipe.warmup_learning_rate:
        raise ValueError(
            f"The optimizer {optimizer.name} has its own learning rate schedule, so the recipe needs "
            "schedule='constant' and no warmup_fraction or warmup_learning_rate."
        )
    return recipe


@contextlib.contextmanager
def base_rate_restored(model: keras.Model, recipe: Recipe) -> Iterator[None]:
    """A context after which the optimizer has its base learning rate again, for the next training with it."""
    try:
        yield
    finally:
        if not has_schedule(model.optimizer):
            model.optimizer.learning_rate = recipe.learning_rate


def describe_optimizer(optimizer: keras.optimizers.Optimizer, recipe: Recipe) -> str:
    """A phrase about the optimizer of a compiled model, for the log.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.optimizers import describe_optimizer, sgd
        >>> describe_optimizer(sgd(keras_resnet.Recipe()), keras_resnet.Recipe())
        "the recipe's SGD, learning rate 0.1, constant schedule, momentum 0.9, weight decay 0"
    """
    kind = _unscaled(optimizer)
    decay = f"weight decay {recipe.weight_decay:g}"
    if kind.name == OF_RECIPE:
        nesterov = " (Nesterov)" if recipe.nesterov else ""
        return (
            f"the recipe's SGD, learning rate {recipe.learning_rate:g}, {recipe.schedule} schedule, "
            f"momentum {recipe.momentum:g}{nesterov}, {decay}"
        )
    schedule = "its own schedule"
    if not has_schedule(optimizer):
        schedule = f"learning rate {recipe.learning_rate:g}, {recipe.schedule} schedule"
    own = f" besides its own {kind.weight_decay:g}" if kind.weight_decay and recipe.weight_decay else ""
    return f"{type(kind).__name__} instead of the recipe's SGD, {schedule}, {decay} of the recipe{own}"


def _unscaled(optimizer):
    """The optimizer itself, without the loss scaling of float16."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def set_weight_decay(model: keras.Model, weight_decay: float) -> None:
    """Adds `weight_decay / 2` times the squared L2 norm of every trainable weight to the model's loss.

    The penalties are regularizers of the variables, not of the layers: they are part of the loss, but a saved model
    does not contain them. 0 removes them.
    """
    for variable in model.trainable_variables:
        # Keras's L2 lacks the factor 1/2.
        variable.regularizer = keras.regularizers.L2(weight_decay / 2) if weight_decay else None
