"""Prints the table of variants of docs/models.md.

    python scripts/list_models.py [PATTERN]

Parameters and multiply-adds are counted on the built model; accuracies are published by the source of the weights.
"""

import sys

from keras_resnet.commands import app
from keras_resnet.commands.table import COMMANDS

if __name__ == "__main__":
    app.run(COMMANDS["list"], sys.argv)
