"""The verdict on depth, from errors written by hand."""

import pytest

from keras_resnet.analysis.degradation import error_rows, final_rows, networks, verdict
from tests.analysis.sweeps import planned_run

# Training errors by seed: (shallow, deep).
WORSE = ((0.1, 0.2), (0.12, 0.18))
BETTER = ((0.1, 0.05), (0.12, 0.06))
UNCLEAR = ((0.1, 0.2), (0.12, 0.11))


def sweep_of(folder, plain, residual):
    """A finished sweep over 20, 32 and 56 layers; test errors are 0.1 higher."""
    runs = []
    for network in networks([56, 20, 32]):
        for seed, (shallow, deep) in enumerate(residual if network.shortcut else plain):
            error = {20: shallow, 32: 0.9, 56: deep}[network.depth]
            runs.append(planned_run(folder, network, seed, errors=(error, error + 0.1), seconds=(1.0, 2.0)))
    return runs


@pytest.mark.parametrize(
    ("plain", "residual", "claim"),
    [
        (WORSE, BETTER, "holds here"),
        (WORSE, WORSE, "does not hold here"),
        (WORSE, UNCLEAR, "holds here for plain ones; for residual ones, these runs cannot tell"),
        (BETTER, BETTER, "does not hold here"),
        (BETTER, WORSE, "does not hold here"),
        (BETTER, UNCLEAR, "does not hold here"),
        (UNCLEAR, BETTER, "cannot be told from these runs; more seeds or epochs may show it"),
        (UNCLEAR, WORSE, "does not hold here"),
        (UNCLEAR, UNCLEAR, "cannot be told from these runs; more seeds or epochs may show it"),
    ],
)
def test_claim(plain, residual, claim, tmp_path):
    assert verdict(sweep_of(tmp_path, plain, residual)).sentences()[-1] == (
        f"The paper's claim that depth hurts plain networks and helps residual ones {claim} (after 2 epochs, 2 seeds)."
    )


def test_sentences_have_the_numbers(tmp_path):
    plain, residual, test, _ = verdict(sweep_of(tmp_path, WORSE, BETTER)).sentences()
    assert plain == (
        "Plain: the training error of 56 layers, 19.00 % (18.00 to 20.00), is higher than that of 20 layers, "
        "11.00 % (10.00 to 12.00): the deeper network does not overfit, it fits even its training images worse."
    )
    assert residual == (
        "Residual: the training error of 56 layers, 5.50 % (5.00 to 6.00), is lower than that of 20 layers, "
        "11.00 % (10.00 to 12.00): depth helps."
    )
    assert test == (
        "Test errors: plain 21.00 % (20.00 to 22.00) with 20 layers, 29.00 % (28.00 to 30.00) with 56; "
        "residual 21.00 % (20.00 to 22.00) with 20 layers, 15.50 % (15.00 to 16.00) with 56."
    )


def test_sentences_of_the_other_cases(tmp_path):
    better, unclear, *_ = verdict(sweep_of(tmp_path / "one", BETTER, UNCLEAR)).sentences()
    assert better.endswith("is lower than that of 20 layers, 11.00 % (10.00 to 12.00): no degradation at these depths.")
    assert unclear == (
        "Residual: the training error of 56 layers, 15.50 % (11.00 to 20.00), cannot be told from that of 20 layers, "
        "11.00 % (10.00 to 12.00): the seeds overlap."
    )
    unclear, worse, *_ = verdict(sweep_of(tmp_path / "two", UNCLEAR, WORSE)).sentences()
    assert unclear.startswith("Plain: ")
    assert worse.endswith(": shortcuts do not prevent it here.")


def test_one_seed_says_so(tmp_path):
    plain, *_, claim = verdict(sweep_of(tmp_path, WORSE[:1], BETTER[:1])).sentences()
    assert "56 layers, 20.00 %, is higher than that of 20 layers, 10.00 %:" in plain
    assert claim.endswith("holds here (after 2 epochs, 1 seed).")


def test_verdict_needs_finished_runs(tmp_path):
    sweep = sweep_of(tmp_path, WORSE, BETTER)
    unfinished = planned_run(tmp_path / "other", networks([56])[0], seed=2)
    with pytest.raises(ValueError, match="plainnet56_cifar, seed 2 is not finished"):
        verdict([*sweep, unfinished])


def test_rows_of_finished_and_unfinished_runs(tmp_path):
    plain, residual = networks([20])
    finished = planned_run(tmp_path, plain, 0, epochs=1.5, errors=(0.25, 0.5), seconds=(1.0, 2.0))
    begun = planned_run(tmp_path, residual, 1, epochs=1.5, seconds=(1.0,))
    rows = error_rows([finished, begun])
    values = dict(training_error=0.5, test_error=0.6, training_loss=2.0, test_loss=3.0)
    plain_run = dict(network="plainnet20_cifar", depth=20, residual=False, seed=0)
    residual_run = dict(network="resnet20_cifar", depth=20, residual=True, seed=1)
    assert rows == [
        {**plain_run, "epoch": 1, **values},
        {**plain_run, "epoch": 1.5, **values},
        {**residual_run, "epoch": 1, **values},
    ]
    assert final_rows([finished, begun]) == [{**plain_run, "training_error": 0.25, "test_error": 0.5}]
