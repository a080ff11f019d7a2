"""ResNets for Keras: models, training and prediction.

`import keras_resnet` brings the models, layers and recipes. The names in `_LAZY` need TensorFlow's
data stack, which is imported at their first use.
"""

import importlib
from typing import TYPE_CHECKING

from keras_resnet import layers
from keras_resnet.complexity import multiply_adds
from keras_resnet.distribution import Model
from keras_resnet.finetuning import freeze
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
    ResNet8,
    ResNet18,
    ResNet18D,
    ResNet18V2,
    ResNet20Cifar,
    ResNet32Cifar,
    ResNet34,
    ResNet34D,
    ResNet34V2,
    ResNet44Cifar,
    ResNet50,
    ResNet50D,
    ResNet50V1,
    ResNet50V2,
    ResNet56Cifar,
    ResNet101,
    ResNet101D,
    ResNet101V1,
    ResNet101V2,
    ResNet110Cifar,
    ResNet110V2Cifar,
    ResNet152,
    ResNet152D,
    ResNet152V1,
    ResNet152V2,
    ResNet164V2Cifar,
    ResNet200,
    ResNet200D,
    ResNet200V2,
    ResNet1001V2Cifar,
    ResNet1202Cifar,
    ResNetBlur50,
    ResNetRS50,
    ResNetRS101,
    ResNetRS152,
    ResNetRS200,
    ResNetRS270,
    ResNetRS350,
    ResNetRS420,
    ResNeXt50_32x4D,
    ResNeXt101_32x8D,
    ResNeXt101_64x4D,
    SEResNet18,
    SEResNet34,
    SEResNet50,
    SEResNet101,
    SEResNet152,
    WideResNet16_8Cifar,
    WideResNet28_10Cifar,
    WideResNet40_4Cifar,
    WideResNet50_2,
    WideResNet101_2,
    create_model,
    list_models,
)
from keras_resnet.preprocessing import decode_predictions, preprocess_input
from keras_resnet.pretrained import find_weights, list_weights
from keras_resnet.recipes import RECIPES, Recipe, get_recipe
from keras_resnet.variants import VARIANTS
from keras_resnet.weights import load_weights

if TYPE_CHECKING:
    from keras_resnet.data import Data, load_data
    from keras_resnet.evaluation import evaluate
    from keras_resnet.inference import load_model, predict
    from keras_resnet.preparing import prepare_records
    from keras_resnet.recalibration import recalibrate_batchnorm
    from keras_resnet.training import dry_run, train

__version__ = "0.1.0"

_LAZY = {
    "Data": "data",
    "dry_run": "training",
    "evaluate": "evaluation",
    "load_data": "data",
    "load_model": "inference",
    "predict": "inference",
    "prepare_records": "preparing",
    "recalibrate_batchnorm": "recalibration",
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
    "ResNeXt50_32x4D",
    "ResNeXt101_32x8D",
    "ResNeXt101_64x4D",
    "ResNet",
    "ResNet8",
    "ResNet18",
    "ResNet18D",
    "ResNet18V2",
    "ResNet20Cifar",
    "ResNet32Cifar",
    "ResNet34",
    "ResNet34D",
    "ResNet34V2",
    "ResNet44Cifar",
    "ResNet50",
    "ResNet50D",
    "ResNet50V1",
    "ResNet50V2",
    "ResNet56Cifar",
    "ResNet101",
    "ResNet101D",
    "ResNet101V1",
    "ResNet101V2",
    "ResNet110Cifar",
    "ResNet110V2Cifar",
    "ResNet152",
    "ResNet152D",
    "ResNet152V1",
    "ResNet152V2",
    "ResNet164V2Cifar",
    "ResNet200",
    "ResNet200D",
    "ResNet200V2",
    "ResNet1001V2Cifar",
    "ResNet1202Cifar",
    "ResNetBlur50",
    "ResNetRS50",
    "ResNetRS101",
    "ResNetRS152",
    "ResNetRS200",
    "ResNetRS270",
    "ResNetRS350",
    "ResNetRS420",
    "SEResNet18",
    "SEResNet34",
    "SEResNet50",
    "SEResNet101",
    "SEResNet152",
    "WideResNet16_8Cifar",
    "WideResNet28_10Cifar",
    "WideResNet40_4Cifar",
    "WideResNet50_2",
    "WideResNet101_2",
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


def __getattr__(name):
    if name in _LAZY:
        return getattr(importlib.import_module(f"keras_resnet.{_LAZY[name]}"), name)
    raise AttributeError(f"module 'keras_resnet' has no attribute {name!r}")


def __dir__():
    return sorted({*globals(), *_LAZY})
