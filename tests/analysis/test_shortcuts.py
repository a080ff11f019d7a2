"""Shortcuts side by side, from errors written by hand."""

import pytest

from keras_resnet.analysis.shortcuts import finished_options, networks, sentences
from tests.analysis.sweeps import planned_run


def sweep_of(folder, **errors):
    """A sweep over two seeds; errors are the test errors of each shortcut by seed, training errors half of them."""
    return [
        planned_run(folder, network, seed, errors=(test / 2, test), parameters=number)
        for seed in (0, 1)
        for number, (network, by_seed) in enumerate(zip(networks(20), errors.values(), strict=True))
        for test in by_seed[seed : seed + 1]
    ]


def test_rows_have_cost_mean_and_range(tmp_path):
    sweep = sweep_of(tmp_path, A=(0.2, 0.3), B=(0.1,), C=(), none=(0.4, 0.2))
    rows = [option.row() for option in finished_options(sweep)]
    kinds = [(row["shortcut"], row["seeds"], row["parameters"]) for row in rows]
    assert kinds == [("A", 2, 0), ("B", 1, 1), ("none", 2, 3)]
    first = rows[0]
    assert (first["network"], first["multiply_adds"]) == ("resnet20_cifar", 10_000)
    columns = ("test_error", "test_error_lowest", "test_error_highest", "training_error", "training_error_lowest")
    assert [first[column] for column in columns] == pytest.approx([0.25, 0.2, 0.3, 0.125, 0.1])


def test_unfinished_runs_are_left_out(tmp_path):
    begun = planned_run(tmp_path, networks(20)[0], seconds=(1.0,))
    assert finished_options([begun]) == []


def test_sentences_compare_with_none_and_with_the_next(tmp_path):
    sweep = sweep_of(tmp_path, A=(0.20, 0.22), B=(0.18, 0.19), C=(0.17, 0.31), none=(0.30, 0.32))
    assert sentences(finished_options(sweep)) == [
        "Test errors over 2 seeds: A 21.00 % (20.00 to 22.00), B 18.50 % (18.00 to 19.00), "
        "C 24.00 % (17.00 to 31.00), none 31.00 % (30.00 to 32.00).",
        "The paper finds A, B and C all better than none. Here: A is 10.00 points lower than none; "
        "B is 12.50 points lower than none; C cannot be told from none.",
        "It finds B slightly better than A, and C than B. Here: B is 2.50 points lower than A; "
        "C cannot be told from B.",
    ]


def test_worse_shortcuts_are_called_so(tmp_path):
    sweep = sweep_of(tmp_path, A=(0.5, 0.5), B=(0.6, 0.6), C=(0.7, 0.7), none=(0.4, 0.4))
    _, against_none, steps = sentences(finished_options(sweep))
    assert "A is 10.00 points higher than none" in against_none
    assert "C is 10.00 points higher than B" in steps
