"""Fine-tunes a model with pretrained weights on a folder of photos, and prints its accuracy.

    python scripts/finetune.py PHOTOS --workdir=runs/photos --model=resnet18 --weights=imagenet [--freeze=stage3]

PHOTOS has one folder per class, or train/ and val/ (and test/) with one folder per class. --weights is a file or the
name of published weights; the classifier is replaced if the number of classes differs.
"""

import sys

from keras_resnet.commands import app
from keras_resnet.commands.table import COMMANDS

if __name__ == "__main__":
    app.run(COMMANDS["finetune"], sys.argv)
