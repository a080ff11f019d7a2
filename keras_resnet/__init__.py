"""ResNets for Keras: models, training and prediction.

`import keras_resnet` loads the models, layers and recipes. The names in `_LAZY` need TensorFlow's data stack and are
imported on first use.
"""

import importlib
from typing import TYPE_CHECKING, Any

from keras_resnet import layers
from keras_resnet.models.complexity import multiply_adds
from keras_resnet.models.constructors import CONSTRUCTORS, create_model, list_models
from keras_resnet.models.model import Model
from keras_resnet.models.resnet import ResNet
from keras_resnet.models.surgery import freeze
from keras_resnet.preprocessing import decode_predictions, preprocess_input
from keras_resnet.recipes import RECIPES, Recipe, get_recipe
from keras_resnet.variants import VARIANTS
from keras_resnet.weights import find_weights, list_weights, load_weights

if TYPE_CHECKING:
    from keras_resnet.data.loading import Data, load_data
    from keras_resnet.data.record_writer import prepare_records
    from keras_resnet.evaluation import evaluate, predict, recalibrate_batchnorm
    from keras_resnet.run_directory import load_model
    from keras_resnet.training.dry_runs import dry_run
    from keras_resnet.training.trainer import train

__version__ = "0.1.0"

_LAZY = {  # the name, and the module that has it
    "Data": "data",
    "dry_run": "training",
    "evaluate": "evaluation",
    "load_data": "data",
    "load_model": "run_directory",
    "predict": "evaluation",
    "prepare_records": "data.record_writer",
    "recalibrate_batchnorm": "evaluation",
    "train": "training",
}

__all__ = [
    "RECIPES",
    "VARIANTS",
    "Data",
    "Model",
    "Recipe",
    "ResNet",
    "create_model",
    "decode_predictions",
    "dry_run",
    "evaluate",
    "find_weights",
    "freeze",
    "get_recipe",
    "layers",
    "list_models",
    "list_weights",
    "load_data",
    "load_model",
    "load_weights",
    "multiply_adds",
    "predict",
    "prepare_records",
    "preprocess_input",
    "recalibrate_batchnorm",
    "train",
]
__all__ += list(CONSTRUCTORS)


# The names of the constructors are computed from the table of variants, so no statement can define them one by one.
def __getattr__(name: str) -> Any:
    if name in CONSTRUCTORS:
        return CONSTRUCTORS[name]
    if name in _LAZY:
        return getattr(importlib.import_module(f"keras_resnet.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'keras_resnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_LAZY, *CONSTRUCTORS})
