"""A callback that records gradients along training."""

import csv
import os
import pathlib
from typing import Any

import keras

from keras_resnet.analysis.gradients import BlockGradient, GradientProbe, WeightGradient
from keras_resnet.files import write_rows

BLOCKS_FILE, WEIGHTS_FILE = "gradients.csv", "gradients_weights.csv"


class RecordGradients(keras.callbacks.Callback):
    """Records the gradient on a fixed batch before training and at the end of each epoch.

    Args:
        images: (N, height, width, channels), as the model takes them.
        labels: numbers of the model's classes, (N,).
        folder: where gradients.csv and gradients_weights.csv are written after each epoch, and read at first, so that a
            resumed run goes on with them; None for nowhere.

    Attributes:
        blocks: rows of "epoch" (0: before training) and the fields of `BlockGradient`.
        weights: rows of "epoch" and the fields of `WeightGradient`.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.recording import RecordGradients
        >>> images, labels = np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)), np.arange(8)
        >>> model, record = keras_resnet.ResNet20Cifar(), RecordGradients(images, labels)
        >>> model.compile("sgd", "sparse_categorical_crossentropy")
        >>> _ = model.fit(images, labels, epochs=1, callbacks=[record], verbose=0)
        >>> sorted({row["epoch"] for row in record.blocks})
        [0, 1]
    """

    def __init__(self, images: Any, labels: Any, folder: str | os.PathLike | None = None) -> None:
        super().__init__()
        self._images, self._labels = images, labels
        self._folder = None if folder is None else pathlib.Path(folder)
        self._probe: GradientProbe | None = None
        self.blocks = self._read(BLOCKS_FILE, BlockGradient)
        self.weights = self._read(WEIGHTS_FILE, WeightGradient)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        if epoch == 0 and int(keras.ops.convert_to_numpy(self.model.optimizer.iterations)) == 0:
            self._record(0)  # also in the place of a run's that ended before its first checkpoint

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._record(epoch + 1)

    def _record(self, epoch: int) -> None:
        self._probe = self._probe or GradientProbe(self.model)
        flow = self._probe(self._images, self._labels)
        for name, rows, new in ((BLOCKS_FILE, self.blocks, flow.blocks), (WEIGHTS_FILE, self.weights, flow.weights)):
            rows[:] = [row for row in rows if row["epoch"] < epoch]  # a resumed run may repeat its last epochs
            rows += [{"epoch": epoch, **record._asdict()} for record in new]
            if self._folder:
                write_rows(self._folder / name, rows)

    def _read(self, name: str, record: type[BlockGradient] | type[WeightGradient]) -> list[dict[str, Any]]:
        if self._folder is None or not (self._folder / name).is_file():
            return []
        types = {"epoch": int, **record.__annotations__}
        with (self._folder / name).open(newline="", encoding="utf-8") as file:
            return [{key: types[key](value) for key, value in row.items()} for row in csv.DictReader(file)]
