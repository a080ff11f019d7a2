"""Evaluates a model on a data set and prints its accuracy under each protocol.

    python scripts/evaluate.py --model=RUN --data_dir=PHOTOS [--protocol=center,ten_crop,multi_scale]
    python scripts/evaluate.py --model=resnet50 --weights=timm/resnet50.a1_in1k --data_dir=PHOTOS
    python scripts/evaluate.py --model=resnet20_cifar --weights=resnet20.safetensors [--data=cifar10]

RUN is a run directory or a .keras file; --weights is a file or the name of published weights. Images are resized and
cropped as for the run, or as the published weights expect. PHOTOS has the layout that scripts/train_imagenet.py takes.
"""

import sys

from keras_resnet.commands import app
from keras_resnet.commands.table import COMMANDS

if __name__ == "__main__":
    app.run(COMMANDS["evaluate"], sys.argv)
