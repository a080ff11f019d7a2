"""The network settings of a recipe: options of `keras_resnet.ResNet` for the models that `train` builds."""

import logging
from typing import Any

import keras
import numpy as np

from keras_resnet.distributed.keras_internals import normalizations
from keras_resnet.preprocessing import get_normalization
from keras_resnet.recipes import Recipe, setting_groups, settings

logger = logging.getLogger(__name__)


def network_settings(recipe: Recipe) -> dict[str, Any]:
    """The recipe's options of the network that differ from the defaults; a default leaves the variant as it is.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.training.network_settings import network_settings
        >>> network_settings(keras_resnet.Recipe(anti_alias="blur", dropout=0.2))
        {'anti_alias': 'blur', 'dropout': 0.2}
    """
    groups, defaults = setting_groups(), settings(Recipe())
    return {
        name: value for name, value in settings(recipe).items() if groups[name] == "network" and value != defaults[name]
    }


def note_network_settings(model: keras.Model, recipe: Recipe) -> None:
    """Notes in the model that it was built with the recipe's options of the network."""
    model.network_settings = _in_words(recipe)


def warn_of_network_settings(model: keras.Model, recipe: Recipe) -> None:
    """Warns of the recipe's options of the network with which the model was not built."""
    missed = [setting for setting in _in_words(recipe) if setting not in getattr(model, "network_settings", ())]
    missed += _missed_options(model, recipe)
    if missed:
        logger.warning(
            "%s is trained as it is, without the recipe's %s, which are for models that train builds from a name; "
            "build it with these options.",
            model.name,
            ", ".join(missed),
        )


def _missed_options(model: keras.Model, recipe: Recipe) -> list[str]:
    """Settings that are no options of the network's kind, but that train also builds models with."""
    policies = {layer.dtype_policy.name for layer in model.layers}
    mean, _ = get_normalization(model) or (np.zeros(()), None)
    synchronized = any(getattr(layer, "synchronized", False) for layer in normalizations(model))
    missed = {
        f"precision={recipe.precision!r}": recipe.precision != "float32" and recipe.precision not in policies,
        "per_pixel_mean=True": recipe.per_pixel_mean and mean.ndim < 3,
        "sync_batch_norm=True": recipe.sync_batch_norm and not synchronized,
    }
    return [setting for setting, is_missed in missed.items() if is_missed]


def _in_words(recipe: Recipe) -> tuple[str, ...]:
    return tuple(f"{name}={value!r}" for name, value in network_settings(recipe).items())
