"""Predicts the most probable classes of images."""

import contextlib
import csv
import io
import json
import logging
import os
import sys
from typing import Any

from absl import flags

from keras_resnet.choices import ON_ERROR, RUNTIMES
from keras_resnet.commands.quiet_start import quiet_stderr

CSV_COLUMNS = ("image", "rank", "class", "probability", "error")


def define_flags() -> None:
    """Defines the flags of the command."""
    flags.DEFINE_integer("top", 5, "Number of classes to print for each image.", lower_bound=1)
    flags.DEFINE_bool("json", False, "Print one JSON object per image and line.")
    flags.DEFINE_bool("csv", False, "Print CSV: a header, then a row per image and class.")
    flags.DEFINE_enum("runtime", None, RUNTIMES, "Runtime of an exported model [that of the file].")
    flags.DEFINE_enum("on_error", "return", ON_ERROR, "Print, skip, or stop at unreadable images.")
    flags.register_multi_flags_validator(
        ("json", "csv"), lambda values: not all(values.values()), "choose one of --json and --csv"
    )


def needs_tensorflow(argv: list[str]) -> bool:
    """Whether the model's runtime is TensorFlow's; the others start sooner."""
    from keras_resnet.runtimes import RUNTIMES, runtime_of

    runtime = flags.FLAGS.runtime or runtime_of(argv[1])
    return runtime is None or RUNTIMES[runtime].needs_tensorflow


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
    from keras_resnet.runtimes import classify

    with quiet_stderr():
        artifact = _open(model)
    bar_on = sys.stderr if sys.stderr.isatty() and not sys.stdout.isatty() else None  # the lines show it on a terminal
    return classify(artifact, images, top=flags.FLAGS.top, on_error=flags.FLAGS.on_error, bar_on=bar_on)


def _open(model: str) -> Any:
    """The model in its runtime."""
    if needs_tensorflow(["", model]):
        from keras_resnet.evaluation.opening import open_model

        return open_model(model, flags.FLAGS.runtime)
    from keras_resnet.runtimes import open_artifact

    return open_artifact(model, flags.FLAGS.runtime)


def _name(prediction: Any) -> str:
    r"""The path of the image as text; bytes of its name that are not UTF-8 become `\xNN`."""
    return os.fsencode(prediction.image).decode("utf-8", "backslashreplace")


def _message(prediction: Any) -> str:
    return str(prediction.error).encode("utf-8", "backslashreplace").decode()


def _as_line(prediction: Any) -> str:
    if prediction.error:
        return f"{_name(prediction)}: error: {_message(prediction)}"
    return f"{_name(prediction)}: " + ", ".join(f"{name} {probability:.4f}" for name, probability in prediction)


def _as_json(prediction: Any) -> str:
    if prediction.error:
        return json.dumps({"image": _name(prediction), "error": _message(prediction)})
    classes = [{"class": name, "probability": probability} for name, probability in prediction]
    return json.dumps({"image": _name(prediction), "classes": classes})


def _as_csv(prediction: Any) -> str:
    """The rows of an image; one with the error if it is unreadable."""
    rows = [(_name(prediction), rank, *row, "") for rank, row in enumerate(prediction, start=1)]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows(rows or [(_name(prediction), "", "", "", _message(prediction))])
    return text.getvalue().rstrip("\n")
