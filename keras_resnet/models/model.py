"""`Model`: the class of every model of this package."""

import contextlib
import os
import pathlib
import shutil
import sys
import tempfile
from collections.abc import Iterator

import keras

if keras.backend.backend() == "tensorflow":
    from keras_resnet.distributed.replicas import ReplicatedModel
else:  # tf.distribute is TensorFlow's
    ReplicatedModel = keras.Model  # type: ignore[misc]

LAYERS_IN_A_ROW = 20_000  # ResNet-1202 has 4,205


@contextlib.contextmanager
def _recursion_limit(at_least: int) -> Iterator[None]:
    """Raises Python's recursion limit of 1,000: Keras walks a functional graph with a frame per layer in a row."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(max(limit, at_least))
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)


@keras.saving.register_keras_serializable(package="keras_resnet")
class Model(ReplicatedModel):
    """A functional `keras.Model` that `save` can also write as a SavedModel.

    Example:
        >>> import keras_resnet
        >>> model = keras_resnet.ResNet20Cifar()
        >>> model.save("resnet20")  # a SavedModel folder
        >>> model.save("resnet20.keras")  # a Keras file
    """

    # Keras recreates a functional model from its configuration only if these parameters have their usual names.
    def __init__(self, *args, **kwargs):
        with _recursion_limit(LAYERS_IN_A_ROW):
            super().__init__(*args, **kwargs)

    def save(self, filepath: str | os.PathLike, overwrite: bool = True, **kwargs) -> None:
        """Saves the model: as a SavedModel if `filepath` has no suffix, else as Keras does.

        A SavedModel folder is written completely or not at all. Its signature `serving_default` and its
        function `serve` take a float32 batch of images, as the model does.

        Raises:
            FileExistsError: the SavedModel's folder exists, and `overwrite` is false or it holds something else.
        """
        path = pathlib.Path(filepath)
        if path.suffix:
            super().save(filepath, overwrite=overwrite, **kwargs)
        else:
            self._save_folder(path, overwrite)

    def _save_folder(self, path: pathlib.Path, overwrite: bool) -> None:
        """Writes a SavedModel into a temporary folder, then moves it to `path`."""
        if path.exists() and not (overwrite and (path / "saved_model.pb").is_file()):
            raise FileExistsError(f"{path} exists and is not a SavedModel to overwrite; choose another name.")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=f".{path.name}-") as folder:
            new, old = pathlib.Path(folder, "new"), pathlib.Path(folder, "old")
            self.export(str(new), format="tf_saved_model", verbose=False)
            if path.exists():
                shutil.move(path, old)
            new.rename(path)


def ends_in_softmax(model: keras.Model) -> bool:
    """Whether the model outputs probabilities rather than logits."""
    return getattr(model.layers[-1], "activation", None) is keras.activations.softmax
