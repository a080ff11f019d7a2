"""Models as files for other runtimes."""

from keras_resnet.exporting.exporter import export
from keras_resnet.exporting.fold import fold_batchnorm

__all__ = ["export", "fold_batchnorm"]
