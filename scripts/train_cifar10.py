"""Trains a ResNet on CIFAR-10 and prints its test accuracy.

    python scripts/train_cifar10.py --workdir=runs/resnet20 [--model=resnet20_cifar] [--recipe=cifar_quick]

CIFAR-10 is read from --data_dir, as prepared by TFDS; --download lets TFDS download it. To resume an interrupted run,
run the same command again.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported

from keras_resnet.commands import app, train_cifar10

if __name__ == "__main__":
    app.run(train_cifar10.define_flags, train_cifar10.main)
