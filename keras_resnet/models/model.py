"""`Model`: what every constructor of this package returns."""

import contextlib
import os
import pathlib
import shutil
import sys
import tempfile

import keras

if keras.backend.backend() == "tensorflow":
    from keras_resnet.distributed.replicas import ReplicatedModel
else:
    ReplicatedModel = keras.Model  # tf.distribute is TensorFlow's
LAYERS_IN_A_ROW = 20_000  # ResNet-1202 has 4,205


@contextlib.contextmanager
def _recursion_limit(at_least):
    """Keras walks a functional graph by recursion, a frame for each layer in a row; Python stops at 1,000."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, at_least))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@keras.saving.register_keras_serializable(package="keras_resnet")
class Model(ReplicatedModel):
    """A functional `keras.Model` that `save` also writes as a SavedModel.

    Example:
        >>> import keras_resnet
        >>> model = keras_resnet.ResNet20Cifar()
        >>> model.save("resnet20")  # a SavedModel folder
        >>> model.save("resnet20.keras")  # a Keras file
    """

    # The parameters are named so that Keras still recreates the model from a functional configuration.
    def __init__(self, *args, **kwargs):
        with _recursion_limit(LAYERS_IN_A_ROW):
            super().__init__(*args, **kwargs)

    def save(self, filepath, overwrite=True, **kwargs):
        """Writes `filepath`: a SavedModel where the name has no suffix, else what Keras writes.

        The folder appears whole or not at all. Its signature `serving_default` and its
        function `serve` take a float32 batch of images as the model does.

        Raises:
            FileExistsError: `filepath` exists and is no SavedModel, or `overwrite` is false.
        """
        path = pathlib.Path(filepath)
        if path.suffix:
            return super().save(filepath, overwrite=overwrite, **kwargs)
        if path.exists() and not (overwrite and (path / "saved_model.pb").is_file()):
            raise FileExistsError(f"{path} exists and is not a SavedModel to overwrite; choose another name.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as scratch:
            new, old = os.path.join(scratch, "new"), os.path.join(scratch, "old")
            self.export(new, format="tf_saved_model", verbose=False)
            if path.exists():
                shutil.move(path, old)
            os.rename(new, path)


def ends_in_softmax(model) -> bool:
    """Whether the model puts out probabilities; else they are logits."""
    return getattr(model.layers[-1], "activation", None) is keras.activations.softmax
