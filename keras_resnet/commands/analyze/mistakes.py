"""`keras-resnet analyze mistakes`: the confusion matrix, and the mistakes that a model is most confident of."""

import functools
from typing import TYPE_CHECKING

from keras_resnet.commands.analyze import predicting, subject

if TYPE_CHECKING:
    import pathlib

    import numpy as np

    from keras_resnet.commands.analyze.predicting import Opened
    from keras_resnet.evaluation.mistakes import Mistake

SHOWN = 20  # images on the sheet

define_flags = predicting.define_flags


def main(argv: list[str]) -> None:
    """Writes the confusion matrix and the mistakes as tables and pictures, and prints the worst of them."""
    from keras_resnet.evaluation.confusion import column_names, confusion_matrix, most_confused
    from keras_resnet.evaluation.mistakes import worst_mistakes
    from keras_resnet.reporting.confusion_plots import plot_confusion

    opened, folder = predicting.open_from_flags(argv[1]), subject.output_folder(argv[1])
    predicted = predicting.predict_from_flags(opened)
    matrix, mistakes = confusion_matrix(predicted), worst_mistakes(predicted)
    columns = column_names(matrix, opened.data.class_names)
    confused = most_confused(matrix, columns)
    _write_matrix(folder / "confusion.csv", matrix, columns)
    draw = functools.partial(plot_confusion, matrix, columns, confused, split=opened.split)
    subject.write_picture(folder / "confusion.png", draw)
    right = len(predicted.labels) - len(mistakes)
    print(
        f"{right:,} of {len(predicted.labels):,} {opened.split} images are right ({right / len(predicted.labels):.4f})."
    )
    subject.remove_results(folder, "mistakes.*")
    if not mistakes:
        return
    _write_mistakes(folder, mistakes, opened)
    worst, pair = mistakes[0], confused[0]
    print(f"Most often, {pair.label} is taken for {pair.prediction}: {pair.images:,} of {pair.of:,} images.")
    print(
        f"The most confident mistake: image {worst.position}, {worst.label}, is taken for {worst.prediction} with a "
        f"probability of {worst.probability:.4f}; {worst.label} has {worst.label_probability:.2g}."
    )


def _write_matrix(path: "pathlib.Path", matrix: "np.ndarray", columns: list[str]) -> None:
    """Writes a row for each pair of a class and a prediction that occurs."""
    rows = [
        {"class": columns[label], "prediction": columns[said], "images": int(count)}
        for label, counts in enumerate(matrix)
        for said, count in enumerate(counts)
        if count
    ]
    subject.write_table(path, rows)


def _write_mistakes(folder: "pathlib.Path", mistakes: "list[Mistake]", opened: "Opened") -> None:
    """Writes all mistakes as a table, and the worst as a sheet of images."""
    from keras_resnet.evaluation.mistakes import image_names, images_at
    from keras_resnet.reporting.findings import MistakePicture
    from keras_resnet.reporting.mistakes_plots import plot_mistakes

    examples, positions = opened.data.splits[opened.split], [mistake.position for mistake in mistakes]
    names = image_names(examples, positions)
    rows = [{"image": name, **mistake._asdict()} for name, mistake in zip(names, mistakes, strict=True)]
    subject.write_table(folder / "mistakes.csv", rows)
    images = images_at(examples, positions[:SHOWN], opened.data.view)
    pictures = [
        MistakePicture(image, name, mistake.label, mistake.prediction, mistake.probability)
        for image, name, mistake in zip(images, names, mistakes, strict=False)
    ]
    draw = functools.partial(plot_mistakes, pictures, split=opened.split)
    subject.write_picture(folder / "mistakes.png", draw)
