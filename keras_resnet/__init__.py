"""ResNets for Keras: models, training and prediction.

`import keras_resnet` brings the models, layers and recipes. The names in `_LAZY` need TensorFlow's
data stack, which is imported at their first use.
"""

import importlib
from typing import TYPE_CHECKING

from keras_resnet import layers
from keras_resnet.distribution import Model
from keras_resnet.models import (
    PlainNet18,
    PlainNet20Cifar,
    PlainNet32Cifar,
    PlainNet34,
    PlainNet44Cifar,
    PlainNet56Cifar,
    PlainNet110Cifar,
    PlainNet1202Cifar,
    ResNet,
    ResNet18,
    ResNet20Cifar,
    ResNet32Cifar,
    ResNet34,
    ResNet44Cifar,
    ResNet50,
    ResNet56Cifar,
    ResNet101,
    ResNet110Cifar,
    ResNet152,
    ResNet1202Cifar,
    create_model,
    list_models,
)
from keras_resnet.preprocessing import preprocess_input
from keras_resnet.recipes import RECIPES, Recipe, get_recipe
from keras_resnet.variants import VARIANTS

if TYPE_CHECKING:
    from keras_resnet.data import Data, load_data
    from keras_resnet.inference import predict
    from keras_resnet.training import train

__version__ = "0.1.0"

_LAZY = {
    "Data": "data",
    "load_data": "data",
    "predict": "inference",
    "train": "training",
}

__all__ = [
    "RECIPES",
    "VARIANTS",
    "Data",
    "Model",
    "PlainNet18",
    "PlainNet20Cifar",
    "PlainNet32Cifar",
    "PlainNet34",
    "PlainNet44Cifar",
    "PlainNet56Cifar",
    "PlainNet110Cifar",
    "PlainNet1202Cifar",
    "Recipe",
    "ResNet",
    "ResNet18",
    "ResNet20Cifar",
    "ResNet32Cifar",
    "ResNet34",
    "ResNet44Cifar",
    "ResNet50",
    "ResNet56Cifar",
    "ResNet101",
    "ResNet110Cifar",
    "ResNet152",
    "ResNet1202Cifar",
    "create_model",
    "get_recipe",
    "layers",
    "list_models",
    "load_data",
    "predict",
    "preprocess_input",
    "train",
]


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(f"keras_resnet.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'keras_resnet' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LAZY})
