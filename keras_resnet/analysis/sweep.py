"""Sweeps: several trainings as one job that resumes. Each has its own run directory; finished ones are skipped."""

import logging
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from keras_resnet.analysis import error_log
from keras_resnet.analysis.paper_networks import Network
from keras_resnet.data.loading import Data
from keras_resnet.distributed.strategies import auto
from keras_resnet.evaluation.classification import evaluate
from keras_resnet.models.complexity import multiply_adds, trainable_parameters
from keras_resnet.progress import duration
from keras_resnet.recipes import Recipe, override
from keras_resnet.run_directory import Run
from keras_resnet.training.building import build_model
from keras_resnet.training.description import describe_run
from keras_resnet.training.memory import of_size
from keras_resnet.training.trainer import train
from keras_resnet.training.workdir import other_settings

TRAINING_RESULT = "training_result.json"  # as result.json, but of all training images; the last file of a run

logger = logging.getLogger(__name__)


class FinalErrors(NamedTuple):
    """Errors of a finished run on all images, 0 to 1."""

    training: float
    test: float


class PlannedRun(NamedTuple):
    """One training of a sweep; it may be done, in part or completely.

    Attributes:
        network: the network to train.
        recipe: the training setup, with the seed of this run.
        run: its run directory.
        parameters: trainable parameters of the network.
        multiply_adds: of the network for one image, forward.
    """

    network: Network
    recipe: Recipe
    run: Run
    parameters: int
    multiply_adds: int

    def __str__(self) -> str:
        return f"{self.network.name}, seed {self.recipe.seed}"

    def errors(self) -> list[dict[str, float]]:
        """The rows of errors.csv, one for each epoch that is complete."""
        return self.run.log(error_log.FILE)

    @property
    def is_finished(self) -> bool:
        """Whether all its files are there."""
        return self.run.file(TRAINING_RESULT).exists()

    def final_errors(self) -> FinalErrors:
        """The errors of the final weights on all images.

        Raises:
            ValueError: the run is not finished.
        """
        if not self.is_finished:
            raise ValueError(f"{self} is not finished.")
        results = [self.run.read_json(name) for name in (TRAINING_RESULT, "result.json")]
        return FinalErrors(*((result["images"] - result["top1_correct"]) / result["images"] for result in results))


def plan_sweep(
    networks: Sequence[Network], recipe: Recipe, seeds: Sequence[int], data: Data, output: str | os.PathLike
) -> list[PlannedRun]:
    """The runs of a sweep, in the order of their training: all networks with one seed, then with the next.

    Args:
        networks: to train.
        recipe: the training setup of all runs, but for the seed.
        seeds: a run of each network for each of them.
        data: the images, whose shape and classes determine the number of parameters and the cost.
        output: folder of the run directories, which are named NETWORK-seedN.

    Raises:
        ValueError: a seed is out of range, or a network does not fit the images.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.analysis.paper_networks import paper_network
        >>> from keras_resnet.analysis.sweep import plan_sweep
        >>> data = keras_resnet.load_data((np.zeros((20, 32, 32, 3), "uint8"), np.arange(20) % 10))
        >>> networks = [paper_network(depth, None) for depth in (20, 56)]
        >>> for planned in plan_sweep(networks, keras_resnet.Recipe(), [0], data, "sweep"):
        ...     print(planned, planned.parameters)
        plainnet20_cifar, seed 0 269722
        plainnet56_cifar, seed 0 853018
    """
    recipes = [override(recipe, seed=seed) for seed in seeds]
    counts = [_counts(network, recipe, data) for network in networks]
    return [
        PlannedRun(network, of_seed, Run(pathlib.Path(output, f"{network.name}-seed{of_seed.seed}")), *count)
        for of_seed in recipes
        for network, count in zip(networks, counts, strict=True)
    ]


def _counts(network: Network, recipe: Recipe, data: Data) -> tuple[int, int]:
    """Parameters and multiply-adds."""
    model = _build(network, data, recipe)
    return trainable_parameters(model), multiply_adds(of_size(model, data.image_shape))


def _build(network: Network, data: Data, recipe: Recipe) -> keras.Model:
    return build_model(network.variant, data, recipe, name=network.name, **network.options)


def train_all(
    sweep: Sequence[PlannedRun],
    load: Callable[[Recipe], Data],
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    strategy: tf.distribute.Strategy | None = None,
    verbose: str | int = "auto",
) -> Iterator[PlannedRun]:
    """Trains the runs of a sweep one after the other, and yields each once it is finished.

    If a sweep is interrupted, call this again with the same arguments: finished runs are skipped, and the others resume
    as `keras_resnet.train` does. A run leaves what `train` writes, errors.csv (see `error_log`) and, last,
    training_result.json.

    Args:
        sweep: from `plan_sweep`.
        load: returns the images for a recipe, whose seed chooses those that are held out.
        callbacks: as in `keras_resnet.train`, for all runs.
        strategy: as in `keras_resnet.train`. Default: all devices of this machine.
        verbose: as in `keras_resnet.train`.

    Raises:
        FileExistsError: a run directory holds a run with other settings, or other files.
        ValueError: the data have no test images; or as `keras_resnet.train`, whose other errors are raised, too.

    Example:
        >>> import numpy as np, keras_resnet
        >>> from keras_resnet.analysis.paper_networks import Network
        >>> from keras_resnet.analysis.sweep import plan_sweep, train_all
        >>> images = np.random.randint(0, 256, (64, 8, 8, 3), "uint8"), np.arange(64) % 10
        >>> data = keras_resnet.load_data((images, images))
        >>> network = Network("small", 4, "A", "resnet20_cifar", {"depths": (1,), "widths": (4,)})
        >>> recipe = keras_resnet.Recipe(epochs=1, batch_size=32)
        >>> sweep = plan_sweep([network], recipe, [0], data, "sweep")
        >>> for finished in train_all(sweep, lambda recipe: data, verbose=0):
        ...     print(finished, len(finished.errors()))
        small, seed 0 1
    """
    strategy = strategy or auto()
    for number, planned in enumerate(sweep, start=1):
        data = load(planned.recipe)
        with strategy.scope():
            model = _build(planned.network, data, planned.recipe)
        _check_settings(planned, model, data)
        title = f"Run {number} of {len(sweep)}: {planned}"
        if planned.is_finished:
            logger.info("%s: finished before.", title)
        else:
            logger.info("%s (sweep: %s).", title, progress(sweep))
            own = [error_log.ErrorLog(planned.run, data), ProgressLines(sweep), *callbacks]
            options = dict(callbacks=own, strategy=strategy, verbose=verbose)
            _train(planned, model, data, **options)
        yield planned


def _check_settings(planned: PlannedRun, model: keras.Model, data: Data) -> None:
    differences = other_settings(planned.run, describe_run(model, data, planned.recipe))
    if differences:
        raise FileExistsError(
            f"{planned.run.directory} holds a run with other settings ({differences}). All runs of a sweep have the "
            "same: repeat the settings of those that are there, or choose another output folder."
        )


def _train(planned: PlannedRun, model: keras.Model, data: Data, **options) -> None:
    """Trains to the end, and then evaluates the training images."""
    train(model, data, planned.recipe, planned.run.directory, **options)
    protocol = planned.recipe.test_protocol
    result = evaluate(model, data, "train", protocol, note="final weights", verbose=options["verbose"])
    planned.run.write_json(TRAINING_RESULT, result.as_dict())


class ProgressLines(keras.callbacks.Callback):
    """Logs after each epoch but the last how far the sweep is.

    Args:
        sweep: from `plan_sweep`.
    """

    def __init__(self, sweep: Sequence[PlannedRun]) -> None:
        super().__init__()
        self.sweep, self.begun = sweep, False

    def on_epoch_begin(self, epoch, logs=None):  # not at an epoch's end, where the line would break Keras's bar
        if self.begun:
            logger.info("Sweep: %s.", progress(self.sweep))
        self.begun = True


class Progress(NamedTuple):
    """How far a sweep is.

    Attributes:
        done: fraction of its cost, 0 to 1.
        seconds_left: an estimate; None before the first epoch is complete.
    """

    done: float
    seconds_left: float | None

    def __str__(self) -> str:
        left = "" if self.seconds_left is None else f", about {duration(max(60.0, self.seconds_left))} left"
        return f"{100 * self.done:.0f} % done{left}"


def progress(sweep: Sequence[PlannedRun]) -> Progress:
    """How far a sweep is, and how long it still takes if it goes on as fast as so far.

    An epoch costs the multiply-adds of its network: all have the same number of images.

    Example:
        >>> import keras_resnet
        >>> from keras_resnet.analysis.paper_networks import paper_network
        >>> from keras_resnet.analysis.sweep import PlannedRun, progress
        >>> from keras_resnet.run_directory import Run
        >>> run = Run("half")
        >>> run.directory.mkdir()
        >>> run.write_log([{"epoch": 0, "seconds": 300}], "errors.csv")
        >>> recipe = keras_resnet.Recipe(epochs=2)
        >>> print(progress([PlannedRun(paper_network(20, None), recipe, run, 269_722, 40_813_184)]))
        50 % done, about 5 min left
    """
    done = spent = left = 0.0
    for planned in sweep:
        rows, epochs = planned.errors(), planned.recipe.epochs
        done += planned.multiply_adds * min(len(rows), epochs)
        spent += sum(row["seconds"] for row in rows)
        if not planned.is_finished:
            left += planned.multiply_adds * max(0, epochs - len(rows))
    return Progress(done / (done + left), left * spent / done if done else None)
