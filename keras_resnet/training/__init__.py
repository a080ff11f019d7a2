"""Training: `train`, its recipe's parts, checkpoints and guards."""

from keras_resnet.training.dry_runs import dry_run
from keras_resnet.training.trainer import train

__all__ = ["dry_run", "train"]
