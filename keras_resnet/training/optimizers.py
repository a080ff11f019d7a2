"""The optimizer of a run, the recipe's or the user's own, and weight decay as a part of the loss."""

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_resnet.errors import shown
from keras_resnet.models.surgery import parts_of
from keras_resnet.recipes import Recipe
from keras_resnet.training.muon import Muon
from keras_resnet.training.update_rules import SGD, AdamW, Lamb, is_decayed

OF_RECIPE = "recipe_sgd"  # the name of every recipe's optimizer, as in models that earlier versions trained
# What Keras's `exclude_from_weight_decay` sets, and `get_config` leaves out.
EXCLUSIONS = ("_exclude_from_weight_decay", "_exclude_from_weight_decay_pattern")
NAMES = {"sgd": "SGD", "adamw": "AdamW", "lamb": "LAMB", "muon": "Muon"}  # for the log


def recipe_optimizer(recipe: Recipe, model: keras.Model) -> keras.optimizers.Optimizer:
    """The recipe's optimizer at its base learning rate.

    SGD's weight decay is a part of the loss (`set_weight_decay`), and so of the gradients that `clip_norm` limits.

    Raises:
        ValueError: the recipe has learning rates by stage, and the model has no stages.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.optimizers import recipe_optimizer
        >>> recipe_optimizer(keras_resnet.Recipe(momentum=0.8), keras_resnet.ResNet20Cifar()).momentum
        0.8
    """
    common: dict[str, Any] = dict(
        learning_rate=recipe.base_rate,
        rate_factors=stage_rate_factors(model, recipe.stage_rate_decay),
        global_clipnorm=recipe.clip_norm or None,
        gradient_accumulation_steps=recipe.accumulation_steps if recipe.accumulation_steps > 1 else None,
        name=OF_RECIPE,
    )
    # Keras refuses a whole number.
    momentum: dict[str, Any] = dict(momentum=float(recipe.momentum), nesterov=recipe.nesterov)
    decay: dict[str, Any] = dict(weight_decay=recipe.weight_decay, decayed_weights=recipe.decayed_weights)
    if recipe.optimizer == "sgd":
        return SGD(**common, **momentum, momentum_form=recipe.momentum_form)
    if recipe.optimizer == "adamw":
        return AdamW(**common, **decay)
    if recipe.optimizer == "lamb":
        return Lamb(**common, **decay)
    return Muon(
        **common,
        **momentum,
        **decay,
        other_optimizer=recipe.other_optimizer,
        other_rate_factor=recipe.other_learning_rate_ratio,
        kernel_decay=recipe.muon_weight_decay,
    )


def stage_rate_factors(model: keras.Model, decay: float) -> dict[str, float]:
    """The factor on the learning rate of each part of a network: `decay` for the last stage, its square before it, ...

    Raises:
        ValueError: `decay` is not 1, and the model has no parts.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.optimizers import stage_rate_factors
        >>> stage_rate_factors(keras_resnet.ResNet20Cifar(), 0.5)
        {'stage3': 0.5, 'stage2': 0.25, 'stage1': 0.125, 'stem': 0.0625}
    """
    if decay == 1:
        return {}
    parts = parts_of(model)
    if not parts:
        raise ValueError(
            f"recipe: stage_rate_decay={decay:g} needs a model of this package, with layers named by stage, and "
            f"{model.name} has none; leave stage_rate_decay=1."
        )
    return {part: decay**distance for distance, part in enumerate(reversed(parts), start=1)}


def own_optimizer(
    model: str | keras.Model, optimizer: str | keras.optimizers.Optimizer | None
) -> keras.optimizers.Optimizer | None:
    """The user's own optimizer: the one given, else the one that the model was compiled with; None without both.

    Raises:
        ValueError: `optimizer` is neither an optimizer nor the name of one, or has several learning rates.
    """
    if optimizer is None:
        compiled = getattr(model, "optimizer", None)
        return None if compiled is None or _unscaled(compiled).name == OF_RECIPE else _with_one_rate(compiled)
    try:
        found = keras.optimizers.get(optimizer)
    except (ValueError, TypeError, KeyError, AttributeError):  # of Keras's deserialization
        raise ValueError(f"optimizer={shown(optimizer)} must be a Keras optimizer or the name of one.") from None
    return _with_one_rate(found)


def _with_one_rate(optimizer):
    if "learning_rate" not in _unscaled(optimizer).get_config():
        raise ValueError(
            f"The optimizer {optimizer.name} has no single learning_rate for the recipe's schedule to change; use an "
            "optimizer with one."
        )
    return optimizer


def copy_of(optimizer: keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """A new optimizer of the same configuration, without the state of the given one. Call it under the strategy."""
    copy = type(optimizer).from_config(optimizer.get_config())
    for name in EXCLUSIONS:
        if hasattr(_unscaled(optimizer), name):
            setattr(_unscaled(copy), name, getattr(_unscaled(optimizer), name))  # nothing changes it in place
    return copy


def excluded_from_decay(optimizer: keras.optimizers.Optimizer) -> list[str]:
    """Parts of the names of weights that the user has excluded from the weight decay.

    Weights that were excluded as variables are not among them: Keras knows only their numbers in this process.

    Example:
        >>> import keras
        >>> from keras_resnet.training.optimizers import excluded_from_decay
        >>> optimizer = keras.optimizers.AdamW()
        >>> optimizer.exclude_from_weight_decay(var_names=["bias", "beta"])
        >>> excluded_from_decay(optimizer)
        ['beta', 'bias']
    """
    pattern = getattr(_unscaled(optimizer), "_exclude_from_weight_decay_pattern", None)
    return sorted(pattern.pattern.split("|")) if pattern else []


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
        return dataclasses.replace(recipe, learning_rate=rate, learning_rate_per_256=False)
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
            model.optimizer.learning_rate = recipe.base_rate


def describe_optimizer(optimizer: keras.optimizers.Optimizer, recipe: Recipe) -> str:
    """A phrase about the optimizer of a compiled model, for the log.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.optimizers import describe_optimizer, recipe_optimizer
        >>> recipe = keras_resnet.Recipe()
        >>> describe_optimizer(recipe_optimizer(recipe, keras_resnet.ResNet20Cifar()), recipe)
        "the recipe's SGD, learning rate 0.1, constant schedule, momentum 0.9, weight decay 0"
    """
    kind, of_recipe = _unscaled(optimizer), f"the recipe's {NAMES[recipe.optimizer]}"
    schedule = f"learning rate {recipe.base_rate:g}, {recipe.schedule} schedule"
    if kind.name == OF_RECIPE:
        nesterov = " (Nesterov)" if recipe.nesterov else ""
        momentum = f", momentum {recipe.momentum:g}{nesterov}" if recipe.optimizer in ("sgd", "muon") else ""
        return f"{of_recipe}, {schedule}{momentum}, weight decay {recipe.weight_decay:g}"
    if has_schedule(optimizer):
        schedule = "its own schedule"
    penalty = l2_penalty(recipe)
    own = f" besides its own {kind.weight_decay:g}" if kind.weight_decay and penalty else ""
    return f"{type(kind).__name__} instead of {of_recipe}, {schedule}, weight decay {penalty:g} of the recipe{own}"


def _unscaled(optimizer):
    """The optimizer itself, without the loss scaling of float16."""
    return getattr(optimizer, "inner_optimizer", optimizer)


def l2_penalty(recipe: Recipe) -> float:
    """The weight decay that is a part of the loss: with SGD the recipe's; 0 with the others, which decay weights."""
    return recipe.weight_decay if recipe.optimizer == "sgd" else 0.0


def set_weight_decay(model: keras.Model, recipe: Recipe) -> None:
    """Adds `l2_penalty / 2` times the squared L2 norm of every trainable weight, or every kernel, to the model's loss.

    The penalties are regularizers of the variables, not of the layers: they are part of the loss, but a saved model
    does not contain them. A penalty of 0 removes them. The regularizers of the user's own layers stay.
    """
    penalty = l2_penalty(recipe)
    for variable in model.trainable_variables:
        own = getattr(variable.regularizer, "own", variable.regularizer)
        decays = penalty and is_decayed(variable, recipe.decayed_weights)
        variable.regularizer = WeightDecay(penalty, own) if decays else own


class WeightDecay(keras.regularizers.Regularizer):
    """The penalty `decay / 2` times the squared L2 norm, plus that of another regularizer.

    Example:
        >>> import keras
        >>> from keras_resnet.training.optimizers import WeightDecay
        >>> float(WeightDecay(0.5, keras.regularizers.L1(1.0))(keras.ops.array([2.0])))
        3.0
    """

    def __init__(self, decay: float, own: keras.regularizers.Regularizer | None = None):
        self.l2, self.own = keras.regularizers.L2(decay / 2), own  # Keras's lacks the factor 1/2

    def __call__(self, x):
        return self.l2(x) + self.own(x) if self.own else self.l2(x)
