"""Trains a ResNet on ImageNet, Imagenette, or any folder of photos, and prints its accuracy.

    python scripts/train_imagenet.py --data_dir=PHOTOS --workdir=runs/resnet50 [--model=resnet50] [--recipe=fb2016]

Without --data_dir, it prints what PHOTOS can be. To resume an interrupted run, run the same command again.
"""

import sys

from keras_resnet.commands import app
from keras_resnet.commands.table import COMMANDS

if __name__ == "__main__":
    app.run(COMMANDS["train"], sys.argv)
