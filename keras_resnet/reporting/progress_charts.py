"""The curves of runs as charts of a page: loss, error, learning rate, throughput."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from keras_resnet.reporting.charts import Axis, Curve, line_chart

Row = Mapping[str, float]  # of log.csv


class RunLog(NamedTuple):
    """The log of a run.

    Attributes:
        name: of the run, "" if it is the only one.
        rows: of its log.csv.
        epochs: of the whole run, which may end within an epoch.
    """

    name: str
    rows: Sequence[Row]
    epochs: float


class Quantity(NamedTuple):
    """What a chart shows: its title, its vertical axis, a label for each column of log.csv, and how that is plotted."""

    title: str
    axis: Axis
    columns: Mapping[str, str]
    plotted: Callable[[float], float] = float


IN_TRAINING = "training (augmented)"
QUANTITIES = (
    Quantity("Loss", Axis("loss", log=True), {"loss": IN_TRAINING, "val_loss": "validation"}),
    Quantity(
        "Error",
        Axis("error (%)"),
        {"accuracy": IN_TRAINING, "val_accuracy": "validation"},
        lambda accuracy: 100 * (1 - accuracy),
    ),
    Quantity("Learning rate at the end of the epoch", Axis("learning rate"), {"learning_rate": ""}),
    Quantity("Throughput", Axis("images/s"), {"images_per_second": ""}),
)


def progress_charts(logs: Sequence[RunLog]) -> str:
    """The charts of one run, or of several over one another. Each run has a color, or if it is alone each curve.

    Args:
        logs: of the runs.

    Example:
        >>> from keras_resnet.reporting.progress_charts import RunLog, progress_charts
        >>> row = {"epoch": 0, "loss": 2.0, "accuracy": 0.3, "learning_rate": 0.1, "images_per_second": 900.0}
        >>> progress_charts([RunLog("", [row], 1)]).count("<figure>")
        4
    """
    return f'<div class="charts">{"".join(_chart(quantity, logs) for quantity in QUANTITIES)}</div>'


def _chart(quantity: Quantity, logs: Sequence[RunLog]) -> str:
    curves = []
    for run, log in enumerate(logs):
        for number, (column, label) in enumerate(quantity.columns.items()):
            if log.rows and column in log.rows[0]:
                x = [min(row["epoch"] + 1, log.epochs) for row in log.rows]
                y = [quantity.plotted(row[column]) for row in log.rows]
                several = len(logs) > 1
                name = ", ".join(filter(None, (log.name, label)))
                # Alone, training is dashed, validation solid; among several, too, and the color is that of the run.
                dashes = 1 - number if len(quantity.columns) > 1 else run
                curves.append(Curve(name, x, y, color=run if several else number, line=dashes))
    return line_chart(quantity.title, "epoch", quantity.axis, curves)


def training_seconds(log: RunLog, images: int) -> float | None:
    """About how long the training took, from the throughput of each epoch; without validation and compilation.

    Args:
        log: of the run.
        images: number of training images.

    Returns:
        Seconds; None if no epoch has a throughput.

    Example:
        >>> from keras_resnet.reporting.progress_charts import RunLog, training_seconds
        >>> training_seconds(RunLog("", [{"epoch": 0, "images_per_second": 50.0}], 0.5), 1000)
        10.0
    """
    rate = mean_rate(log)
    return images * epochs_done(log) / rate if rate else None


def mean_rate(log: RunLog) -> float | None:
    """The mean throughput of a run, images/s; None if no epoch has one."""
    # An epoch of one step has 0: the first step is not counted.
    rates = [rate for row in log.rows if (rate := row.get("images_per_second", 0.0))]
    return len(rates) / sum(1 / rate for rate in rates) if rates else None


def epochs_done(log: RunLog) -> float:
    """The number of epochs that the log has, which may end within one."""
    return min(log.rows[-1]["epoch"] + 1, log.epochs) if log.rows else 0
