"""ScoreLog: loss and error on the same images, before a training and after each of its epochs."""

from collections.abc import Callable, Mapping
from typing import Any

import keras

from keras_resnet.analysis.scores import Score
from keras_resnet.run_directory import Run

FILE = "scores.json"


class ScoreLog(keras.callbacks.Callback):
    """Writes the scores of the model that is trained to scores.json of its run directory.

    A resumed training adds to the rows of earlier epochs.

    Args:
        run: the run directory.
        measure: returns the score of the model's present weights.

    Example:
        >>> import keras, numpy as np
        >>> from keras_resnet.analysis.score_log import ScoreLog
        >>> from keras_resnet.analysis.scores import Score
        >>> from keras_resnet.run_directory import Run
        >>> log = ScoreLog(Run("."), lambda: Score(loss=2.0, accuracy=0.25))
        >>> model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
        >>> model.compile("sgd", "mse")
        >>> _ = model.fit(np.zeros((2, 1)), np.zeros(2), callbacks=[log], verbose=0)
        >>> log.rows()[0]
        {'epoch': 0, 'loss': 2.0, 'error': 75.0}
    """

    def __init__(self, run: Run, measure: Callable[[], Score]) -> None:
        super().__init__()
        self.run, self.measure = run, measure

    def rows(self) -> list[dict[str, float]]:
        """For each epoch, 0 before the training, its number, the loss (nats) and the error (percent)."""
        return self.run.read_json(FILE)["rows"] if self.run.file(FILE).is_file() else []

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        if int(keras.ops.convert_to_numpy(self.model.optimizer.iterations)) == 0:
            self._add(0)  # also in the place of a run's that ended before its first checkpoint

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._add(epoch + 1)

    def _add(self, epoch: int) -> None:
        found = self.measure()
        earlier = [row for row in self.rows() if row["epoch"] < epoch]
        row = {"epoch": epoch, "loss": found.loss, "error": found.error}
        self.run.write_json(FILE, {"rows": [*earlier, row]})
