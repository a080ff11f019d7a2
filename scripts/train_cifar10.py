"""Trains a ResNet on CIFAR-10 and prints its test accuracy.

    python scripts/train_cifar10.py --workdir=runs/resnet20 [--model=resnet20_cifar] [--recipe=cifar_quick]

CIFAR-10 is read from --data_dir, as prepared by TFDS; --download lets TFDS download it. To resume an interrupted run,
run the same command again.
"""

import sys

from keras_resnet.commands import app
from keras_resnet.commands.table import COMMANDS

if __name__ == "__main__":
    app.run(COMMANDS["train"], sys.argv, data="cifar10")
