"""Scores before a training and after each epoch."""

import numpy as np

import keras_resnet
from keras_resnet.analysis.score_log import FILE, ScoreLog
from keras_resnet.analysis.scores import Score, scorer
from keras_resnet.run_directory import Run
from tests.analysis.networks import network, noise


def test_scores_of_a_training(tmp_path):
    model, images = network("basic"), noise(12)
    measure = scorer(model, images, training=True)
    before = measure()
    log = ScoreLog(Run(tmp_path / "run"), measure)
    data = keras_resnet.load_data((images.images.astype("uint8"), images.labels))
    recipe = keras_resnet.Recipe(epochs=2, batch_size=6, learning_rate=0.01)
    keras_resnet.train(model, data, recipe, tmp_path / "run", callbacks=[log], verbose=0)
    assert [row["epoch"] for row in log.rows()] == [0, 1, 2]
    assert log.rows()[0] == {"epoch": 0, "loss": before.loss, "error": before.error}
    assert log.rows()[2]["loss"] == measure().loss
    assert len({row["loss"] for row in log.rows()}) == 3


def test_rows_of_earlier_epochs_remain_and_repeated_ones_are_replaced(tmp_path):
    run, losses = Run(tmp_path), iter(np.arange(10.0))
    model, images = network("basic"), noise(4)
    model.compile("sgd", "mse")

    def fit(first, end):
        log = ScoreLog(run, lambda: Score(next(losses), 0.5))
        model.fit(images.images, np.zeros((4, 4)), initial_epoch=first, epochs=end, callbacks=[log], verbose=0)
        return [(row["epoch"], row["loss"]) for row in log.rows()]

    assert fit(0, 3) == [(0, 0), (1, 1), (2, 2), (3, 3)]
    assert fit(2, 4) == [(0, 0), (1, 1), (2, 2), (3, 4), (4, 5)]


def test_a_new_training_drops_the_rows_of_one_that_ended_in_its_first_epoch(tmp_path):
    run = Run(tmp_path)
    run.write_json(FILE, {"rows": [{"epoch": 0, "loss": 9.0, "error": 90.0}]})
    model, images = network("basic"), noise(4)
    model.compile("sgd", "mse")
    log = ScoreLog(run, lambda: Score(1.0, 0.5))
    model.fit(images.images, np.zeros((4, 4)), epochs=1, callbacks=[log], verbose=0)
    assert [row["loss"] for row in log.rows()] == [1.0, 1.0]
