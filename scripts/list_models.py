"""Prints the README's table of variants in Markdown.

    python scripts/list_models.py [PATTERN]

Parameters and multiply-adds are counted on the built model; accuracies are published by the source of the weights.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # before TensorFlow is imported

from keras_resnet.commands import app, list_models

if __name__ == "__main__":
    app.run(list_models.define_flags, list_models.main)
