"""ResNets for Keras: models, training and prediction.

`import keras_resnet` imports Keras, if it is installed, and the models, which register their layers with Keras. Other
names are imported on first use, because training and evaluation need TensorFlow's data stack. A command of this package
imports the models when it needs them, so that its `--help` answers at once.
"""

import importlib.util
import pathlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from keras_resnet import layers
    from keras_resnet.data.loading import Data, load_data
    from keras_resnet.data.record_writer import prepare_records
    from keras_resnet.evaluation import evaluate, predict, recalibrate_batchnorm
    from keras_resnet.exporting import export, fold_batchnorm
    from keras_resnet.models.complexity import multiply_adds
    from keras_resnet.models.constructors import create_model, list_models
    from keras_resnet.models.model import Model
    from keras_resnet.models.resnet import ResNet
    from keras_resnet.models.surgery import freeze
    from keras_resnet.preprocessing import decode_predictions, preprocess_input
    from keras_resnet.recipes import RECIPES, Recipe, get_recipe
    from keras_resnet.run_directory import load_model
    from keras_resnet.training.dry_runs import dry_run
    from keras_resnet.training.trainer import train
    from keras_resnet.variants import VARIANTS
    from keras_resnet.view import View
    from keras_resnet.weights import find_weights, list_weights, load_weights

__version__ = "0.1.0"

_MODULES = {  # of each public name but the constructors
    "RECIPES": "recipes",
    "VARIANTS": "variants",
    "View": "view",
    "Data": "data",
    "Model": "models",
    "Recipe": "recipes",
    "ResNet": "models",
    "create_model": "models",
    "decode_predictions": "preprocessing",
    "dry_run": "training",
    "evaluate": "evaluation",
    "export": "exporting",
    "find_weights": "weights",
    "fold_batchnorm": "exporting",
    "freeze": "models.surgery",
    "get_recipe": "recipes",
    "list_models": "models",
    "list_weights": "weights",
    "load_data": "data",
    "load_model": "run_directory",
    "load_weights": "weights",
    "multiply_adds": "models.complexity",
    "predict": "evaluation",
    "prepare_records": "data.record_writer",
    "preprocess_input": "preprocessing",
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
    "View",
    "create_model",
    "decode_predictions",
    "dry_run",
    "evaluate",
    "export",
    "find_weights",
    "fold_batchnorm",
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


def __getattr__(name: str) -> Any:
    if name == "layers":
        return importlib.import_module("keras_resnet.layers")
    if name in _MODULES:
        return getattr(importlib.import_module(f"keras_resnet.{_MODULES[name]}"), name)
    if name[:1].isupper():  # a constructor: their names are computed from the table of variants
        constructors = importlib.import_module("keras_resnet.models").CONSTRUCTORS
        if name in constructors:
            return constructors[name]
    raise AttributeError(f"module 'keras_resnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


_SCRIPTS = {  # of the repository
    "demo.py",
    "draw_recipes.py",
    "evaluate.py",
    "export.py",
    "finetune.py",
    "launch_local.py",
    "list_models.py",
    "package_weights.py",
    "predict.py",
    "prepare_imagenet.py",
    "train_cifar10.py",
    "train_cifar10_jax.py",
    "train_imagenet.py",
}


def _runs_command() -> bool:
    """Whether this process is `keras-resnet`, `python -m keras_resnet`, or one of the repository's scripts."""
    name, *arguments = getattr(sys, "argv", None) or [""]
    if name == "-m":  # before Python has found the module
        return sys.orig_argv[-len(arguments) - 1] == "keras_resnet"
    program = pathlib.Path(name)
    scripts = pathlib.Path(__file__).resolve().parents[1] / "scripts"
    is_script = program.name in _SCRIPTS and program.resolve().parent == scripts
    return is_script or program.name in ("keras-resnet", "keras-resnet.exe")


# Exported models and their service also work where Keras is not installed.
if not _runs_command() and importlib.util.find_spec("keras"):
    from keras_resnet import layers, recipes  # noqa: F401
    from keras_resnet.models import CONSTRUCTORS

    __all__ += list(CONSTRUCTORS)
