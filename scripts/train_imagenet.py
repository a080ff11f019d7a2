"""Trains a ResNet on ImageNet, Imagenette, or any folder of photos, and prints its accuracy.

    python scripts/train_imagenet.py --data_dir=PHOTOS --workdir=runs/resnet50 [--model=resnet50] [--recipe=fb2016]

Without --data_dir, it prints what PHOTOS can be. To resume an interrupted run, run the same command again.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported

from keras_resnet.commands import app, train_imagenet

if __name__ == "__main__":
    app.run(train_imagenet.define_flags, train_imagenet.main)
