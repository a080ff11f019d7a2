"""Prepares a record set from a folder of photos: few large files, with oversized photos made smaller.

    python scripts/prepare_imagenet.py PHOTOS RECORDS [--short_side=512]

PHOTOS has the layout that scripts/train_imagenet.py takes; pass RECORDS to it as --data_dir. Every photo is verified.
To resume an interrupted preparation, run the same command again.
"""

import sys

from keras_resnet.commands import app
from keras_resnet.commands.table import COMMANDS

if __name__ == "__main__":
    app.run(COMMANDS["prepare"], sys.argv)
