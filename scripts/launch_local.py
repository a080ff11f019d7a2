"""Runs a training script as several workers on this machine that train one model together.

    python scripts/launch_local.py [--workers=2] scripts/train_imagenet.py --data_dir=PHOTOS --workdir=runs/two

Flags after the script's name are the script's. The workers find each other through TF_CONFIG, as over a network. Each
line of output starts with the index of its worker. If one worker fails, the others have a minute to exit.
"""

import sys

from keras_resnet.commands import app
from keras_resnet.commands.table import COMMANDS

if __name__ == "__main__":
    app.run(COMMANDS["launch"], sys.argv)
