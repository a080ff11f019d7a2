"""Trains a ResNet on CIFAR-10 and prints its test accuracy.

    python scripts/train_cifar10.py --workdir=runs/resnet20 [--model=resnet20_cifar] [--recipe=cifar_quick]

CIFAR-10 is read as TFDS prepares it, from --data_dir; --download lets TFDS fetch it. The same command
again goes on where the run stopped.
"""

import doorway
from absl import flags

import keras_resnet

doorway.define_recipe_flags(default="cifar_quick")
doorway.define_training_flags()
MODEL = flags.DEFINE_string("model", "resnet20_cifar", "Variant to train; keras_resnet.list_models() has all.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Folder of prepared TFDS data sets [~/tensorflow_datasets].")
DOWNLOAD = flags.DEFINE_bool("download", False, "Let TFDS fetch CIFAR-10 if it is not in data_dir.")


def main(_):
    strategy = doorway.strategy()
    recipe = doorway.recipe_from_flags()
    data = keras_resnet.load_data("cifar10", recipe, data_dir=DATA_DIR.value, download=DOWNLOAD.value)
    doorway.train(MODEL.value, data, recipe, strategy)


if __name__ == "__main__":
    doorway.run(main)
