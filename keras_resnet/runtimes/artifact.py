"""`Artifact`: an exported model that is loaded in its runtime."""

import abc

import numpy as np

from keras_resnet.runtimes.metadata import Metadata


class Artifact(abc.ABC):
    """An exported model that is loaded in its runtime: a function of images.

    Attributes:
        metadata: what the model says about itself.
        runtime: the name of the runtime.
    """

    metadata: Metadata
    runtime: str

    @abc.abstractmethod
    def __call__(self, images: np.ndarray) -> np.ndarray:
        """The probabilities of a batch of images.

        Args:
            images: (batch, height, width, channels), RGB in 0 to 255, uint8 or float32.

        Returns:
            Probabilities (batch, classes), float32.
        """
