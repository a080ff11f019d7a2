"""What the subjects share that show photos to a model: any model that predicts, and the photos as it sees them."""

import pathlib
from typing import TYPE_CHECKING

from keras_resnet.commands.analyze import subject

if TYPE_CHECKING:
    import keras

    from keras_resnet.runtimes import Artifact


def open_classifier(name: str) -> "Artifact":
    """The model of a run, a `.keras` file, an exported model, weights, or a variant with random weights.

    Raises:
        ValueError: it is none of these, or not a classifier of images.
    """
    from keras_resnet.evaluation.opening import open_model

    return open_model(name if pathlib.Path(name).expanduser().exists() else subject.open_model(name))


def keras_model(artifact: "Artifact") -> "keras.Model | None":
    """The Keras model of a classifier; None for one that runs elsewhere, of which only the outputs are known."""
    from keras_resnet.runtimes.keras_model import KerasArtifact

    return artifact.model if isinstance(artifact, KerasArtifact) else None
