"""Prints the most probable classes of images.

    python scripts/predict.py RUN IMAGE... [--top=5]

RUN is a run directory or a .keras file. The exit code is 1 if an image is unreadable.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported

from keras_resnet.commands import app, predict

if __name__ == "__main__":
    app.run(predict.define_flags, predict.main)
