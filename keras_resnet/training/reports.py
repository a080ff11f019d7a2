"""The page of a run: written after each epoch, and at the end with what the final evaluation found."""

import logging
from collections.abc import Sequence

import keras

from keras_resnet.data.loading import Data
from keras_resnet.evaluation.classification import Result
from keras_resnet.evaluation.confusion import column_names, confusion_matrix, most_confused
from keras_resnet.evaluation.mistakes import image_names, images_at, worst_mistakes
from keras_resnet.evaluation.split_predictions import Predictions
from keras_resnet.reporting.findings import LISTED, Findings, MistakePicture
from keras_resnet.reporting.report import write_report
from keras_resnet.run_directory import Run

MISTAKES = 20  # pictures on the page

logger = logging.getLogger(__name__)


class WriteReport(keras.callbacks.Callback):
    """Writes report.html after each epoch. It must come after `CSVLog`, whose rows it shows."""

    def __init__(self, run: Run, data: Data):
        super().__init__()
        self.run, self.data = run, data

    def on_epoch_end(self, epoch, logs=None):
        write_report_or_warn(self.run, self.data)


def write_report_or_warn(
    run: Run, data: Data, predicted: Predictions | None = None, results: Sequence[Result] = ()
) -> None:
    """Writes report.html. If that fails for any reason, the log says so, and the training goes on.

    Args:
        run: the run directory.
        data: the images.
        predicted: at the end of the run, as for `findings_of`.
        results: likewise.
    """
    try:
        findings = findings_of(predicted, data, results) if predicted else None
        write_report(run, data.class_sizes(), findings)
    except Exception:
        logger.warning("%s was not written.", run.file("report.html"), exc_info=True)


def findings_of(predicted: Predictions, data: Data, results: Sequence[Result]) -> Findings:
    """What the final evaluation found, as the report shows it.

    Args:
        predicted: what the final weights say about the images.
        data: the images.
        results: first that of the final weights by the recipe's protocol.
    """
    matrix, mistakes = confusion_matrix(predicted), worst_mistakes(predicted, MISTAKES)
    columns = column_names(matrix, data.class_names)
    examples, positions = data.splits[predicted.split], [mistake.position for mistake in mistakes]
    pictures = zip(images_at(examples, positions, data.view), image_names(examples, positions), mistakes, strict=True)
    return Findings(
        [str(result) for result in results],
        [result.as_dict() for result in results],
        matrix,
        columns,
        most_confused(matrix, columns, LISTED),
        [
            MistakePicture(image, name, mistake.label, mistake.prediction, mistake.probability)
            for image, name, mistake in pictures
        ],
    )
