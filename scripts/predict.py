"""Prints the most probable classes of images.

    python scripts/predict.py RUN IMAGE... [--top=5]

RUN is a run directory, or the path of a model: a .keras, .onnx or .tflite file, the .xml file of an OpenVINO model, or
a SavedModel folder. The exit code is 1 if an image is unreadable.
"""

import sys

from keras_resnet.commands import app
from keras_resnet.commands.table import COMMANDS

if __name__ == "__main__":
    app.run(COMMANDS["predict"], sys.argv)
