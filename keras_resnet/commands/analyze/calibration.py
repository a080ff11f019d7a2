"""`keras-resnet analyze calibration`: whether a model is right as often as it says, before and after a temperature."""

import functools
import json
from typing import TYPE_CHECKING, Any

from keras_resnet.commands.analyze import predicting, subject
from keras_resnet.files import write_text

if TYPE_CHECKING:
    import pathlib

    import keras

    from keras_resnet.evaluation.calibration import Measured
    from keras_resnet.evaluation.split_predictions import Predictions

define_flags = predicting.define_flags


def main(argv: list[str]) -> None:
    """Fits a temperature on some images and measures on others; writes tables and the picture, prints the errors."""
    from keras_resnet.evaluation.calibration import fit_temperature, halves, measure

    opened = predicting.open_from_flags(argv[1])
    _check_sums_to_one(opened.model)
    folder = subject.output_folder(argv[1])
    predicted = predicting.predict_from_flags(opened)
    if "validation" in opened.data.splits and opened.split != "validation":
        fitted_on, measured_on = predicting.predict_from_flags(opened, "validation"), predicted
    else:
        fitted_on, measured_on = halves(predicted)
    temperature = fit_temperature(fitted_on.probabilities, fitted_on.right_outputs)
    before, after = measure(measured_on, 1.0), measure(measured_on, temperature)
    _write(folder, [before, after], fitted_on, measured_on)
    print(_verdict(before, measured_on))
    print(_effect(before, after, fitted_on, measured_on))


def _check_sums_to_one(model: "keras.Model") -> None:
    from keras_resnet.models.model import ends_in_sigmoid

    if ends_in_sigmoid(model):
        raise ValueError(
            f"{model.name} ends in a sigmoid for each class; the calibration is that of probabilities that sum to 1."
        )


def _verdict(before: "Measured", measured_on: "Predictions") -> str:
    diagram = before.reliability
    overconfident = diagram.mean_confidence > diagram.mean_accuracy
    kind = (
        "overconfident, as Guo et al. 2017 found" if overconfident else "not overconfident, unlike in Guo et al. 2017"
    )
    return (
        f"On {len(measured_on.labels):,} {measured_on.split} images, the model says {diagram.mean_confidence:.4f} and "
        f"is right in {diagram.mean_accuracy:.4f}: it is {kind}. {_errors(before)}."
    )


def _effect(before: "Measured", after: "Measured", fitted_on: "Predictions", measured_on: "Predictions") -> str:
    lower = after.reliability.expected_error < before.reliability.expected_error
    others = "other " if fitted_on.split == measured_on.split else ""
    return (
        f"A temperature of {after.temperature:.3f}, fitted on {len(fitted_on.labels):,} {others}{fitted_on.split} "
        f"images, {'lowers' if lower else 'does not lower'} the ECE and changes no prediction. {_errors(after)}."
    )


def _errors(measured: "Measured") -> str:
    diagram = measured.reliability
    return (
        f"ECE {100 * diagram.expected_error:.2f} %, MCE {100 * diagram.maximum_error:.2f} %, negative log-likelihood "
        f"{measured.likelihood:.4f} nats"
    )


def _write(
    folder: "pathlib.Path", measured: "list[Measured]", fitted_on: "Predictions", measured_on: "Predictions"
) -> None:
    from keras_resnet.reporting.calibration_plots import Diagram, plot_reliability

    subject.write_table(folder / "calibration.csv", [row for result in measured for row in _rows(result)])
    summary = {
        "fitted_on": {"split": fitted_on.split, "images": len(fitted_on.labels)},
        "measured_on": {"split": measured_on.split, "images": len(measured_on.labels)},
        "before": _summary(measured[0]),
        "after": _summary(measured[1]),
    }
    write_text(folder / "calibration.json", json.dumps(summary, indent=2) + "\n")
    diagrams = [
        Diagram(
            f"Temperature {result.temperature:.3g}: ECE {100 * result.reliability.expected_error:.2f} %",
            result.reliability.images,
            result.reliability.confidence,
            result.reliability.accuracy,
        )
        for result in measured
    ]
    subject.write_picture(folder / "calibration.png", functools.partial(plot_reliability, diagrams))


def _rows(result: "Measured") -> list[dict[str, Any]]:
    """A row for each bin; confidence and accuracy of an empty one are empty."""
    diagram = result.reliability
    bins = zip(diagram.edges[:-1], diagram.edges[1:], diagram.images, diagram.confidence, diagram.accuracy, strict=True)
    return [
        {
            "temperature": round(result.temperature, 4),
            "above": round(low, 6),
            "at_most": round(high, 6),
            "images": int(images),
            "confidence": round(confidence, 6) if images else "",
            "accuracy": round(accuracy, 6) if images else "",
        }
        for low, high, images, confidence, accuracy in bins
    ]


def _summary(result: "Measured") -> dict[str, float]:
    return {
        "temperature": result.temperature,
        "expected_calibration_error": result.reliability.expected_error,
        "maximum_calibration_error": result.reliability.maximum_error,
        "negative_log_likelihood": result.likelihood,
        "accuracy": result.reliability.mean_accuracy,
    }
