"""Training: `train`, `dry_run`, and their parts: schedules, callbacks, checkpoints, guards."""

from keras_resnet.training.dry_runs import dry_run
from keras_resnet.training.trainer import train

__all__ = ["dry_run", "train"]
