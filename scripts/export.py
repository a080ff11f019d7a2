"""Exports a model for another runtime.

    python scripts/export.py RUN PATH [--precision=int8 --calibration=PHOTOS]

RUN is a run directory or a .keras file. The suffix of PATH says the format: none for a SavedModel, .keras, .onnx,
.tflite or .xml (OpenVINO).
"""

import sys

from keras_resnet.commands import app
from keras_resnet.commands.table import COMMANDS

if __name__ == "__main__":
    app.run(COMMANDS["export"], sys.argv)
