"""Sweeps of tiny networks, and runs whose results are written by hand."""

import keras_resnet
from keras_resnet.analysis.error_log import FILE
from keras_resnet.analysis.paper_networks import Network
from keras_resnet.analysis.sweep import TRAINING_RESULT, PlannedRun
from keras_resnet.run_directory import Run

TINY = {"depths": (1, 1), "widths": (4, 8)}  # of images of 8x8
NETWORKS = [
    Network("tiny_plain", 6, None, "plainnet20_cifar", TINY),
    Network("tiny_residual", 6, "A", "resnet20_cifar", TINY),
]
COST = {"parameters": 1000, "multiply_adds": 10_000}


def planned_run(folder, network, seed=0, epochs=2, errors=None, seconds=(), **cost) -> PlannedRun:
    """A run of a sweep, finished with these (training, test) errors, after epochs that took these seconds."""
    run = Run(folder / f"{network.name}-seed{seed}")
    run.directory.mkdir(parents=True)
    if seconds:
        values = dict(training_loss=2.0, training_error=0.5, test_loss=3.0, test_error=0.6)
        run.write_log([{"epoch": epoch, **values, "seconds": spent} for epoch, spent in enumerate(seconds)], FILE)
    for name, error in zip((TRAINING_RESULT, "result.json"), errors or (), strict=False):
        run.write_json(name, {"images": 10_000, "top1_correct": round(10_000 * (1 - error))})
    recipe = keras_resnet.Recipe(epochs=epochs, seed=seed)
    return PlannedRun(network, recipe, run, **{**COST, **cost})
