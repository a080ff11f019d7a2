"""Predicts the most probable classes of images."""

import contextlib
import csv
import io
import json
import logging
import sys
from typing import Any

from absl import flags

from keras_resnet.choices import ON_ERROR, RUNTIMES
from keras_resnet.commands import opening
from keras_resnet.commands.flags import refuse
from keras_resnet.commands.quiet_start import quiet_stderr
from keras_resnet.runtimes import classify
from keras_resnet.runtimes.decoding import printable

CSV_COLUMNS = ("image", "rank", "class", "probability", "error")


def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_integer("top", 5, "Number of classes to print for each image.", lower_bound=1)
    flags.DEFINE_bool("json", False, "Print one JSON object per image and line.")
    flags.DEFINE_bool("csv", False, "Print CSV: a header, then a row per image and class.")
    flags.DEFINE_enum("runtime", None, RUNTIMES, "Runtime of an exported model [that of the file].")
    flags.DEFINE_enum("on_error", "return", ON_ERROR, "Print, skip, or stop at unreadable images.")


def check_flags() -> None:
    """Refuses two formats."""
    refuse([(flags.FLAGS.json and flags.FLAGS.csv, "Give --json or --csv, not both.")])


def needs_tensorflow(argv: list[str]) -> bool:
    """Whether the model's runtime is TensorFlow's."""
    return opening.needs_tensorflow(argv[1], flags.FLAGS.runtime)


def main(argv: list[str]) -> int:
    """Prints the classes of each image as soon as they are known; the exit code is 1 if an image is unreadable."""
    for handler in logging.getLogger("keras_resnet").handlers:
        if isinstance(handler, logging.StreamHandler):
            handler.setStream(sys.stderr)  # only predictions on stdout
    if flags.FLAGS.csv:
        print(",".join(CSV_COLUMNS))
    describe = _as_json if flags.FLAGS.json else _as_csv if flags.FLAGS.csv else _as_line
    unreadable = 0
    with contextlib.closing(_predictions(argv[1], argv[2:])) as predictions:
        for prediction in predictions:
            print(describe(prediction), flush=True)
            unreadable += prediction.error is not None
    return int(unreadable > 0)


def _predictions(model: str, images: list[str]) -> Any:
    with quiet_stderr():
        artifact = opening.open_in_runtime(model, flags.FLAGS.runtime)
    bar_on = sys.stderr if sys.stderr.isatty() and not sys.stdout.isatty() else None  # the lines show it on a terminal
    return classify(artifact, images, top=flags.FLAGS.top, on_error=flags.FLAGS.on_error, bar_on=bar_on)


def _message(prediction: Any) -> str:
    return str(prediction.error).encode("utf-8", "backslashreplace").decode()


def _as_line(prediction: Any) -> str:
    if prediction.error:
        return f"{printable(prediction.image)}: error: {_message(prediction)}"
    classes = ", ".join(f"{name} {probability:.4f}" for name, probability in prediction)
    return f"{printable(prediction.image)}: {classes}"


def _as_json(prediction: Any) -> str:
    if prediction.error:
        return json.dumps({"image": printable(prediction.image), "error": _message(prediction)})
    classes = [{"class": name, "probability": probability} for name, probability in prediction]
    return json.dumps({"image": printable(prediction.image), "classes": classes})


def _as_csv(prediction: Any) -> str:
    """The rows of an image; one with the error if it is unreadable."""
    image = printable(prediction.image)
    rows = [(image, rank, *row, "") for rank, row in enumerate(prediction, start=1)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(rows or [(image, "", "", "", _message(prediction))])
    return text.getvalue().rstrip("\n")
