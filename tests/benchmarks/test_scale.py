"""The cost model of synchronous data parallelism, against closed forms and numbers worked out by hand."""

import dataclasses
import importlib
import json
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest

from tests.conftest import REPOSITORY

BENCHMARKS = REPOSITORY / "benchmarks"


@pytest.fixture(scope="module")
def model():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("scale_model")
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_expected_maximum_of_few_values_by_hand(model):
    assert model.expected_maximum([3, 1], 1) == 2
    assert model.expected_maximum([3, 1], 2) == 0.25 * 1 + 0.75 * 3
    assert model.expected_maximum([1, 2, 4], 2) == pytest.approx((1 * 1 + 3 * 2 + 5 * 4) / 9)
    assert model.expected_maximum([7], 512) == 7


@pytest.mark.parametrize("draws", [1, 2, 8, 64])
def test_expected_maximum_of_exponentials_is_the_harmonic_number(model, draws):
    """E[max] of n exponentials with the rate 2 is H_n / 2; of n uniforms in 0 to 1, n / (n + 1)."""
    middles = (np.arange(200_000) + 0.5) / 200_000
    harmonic = sum(1 / i for i in range(1, draws + 1))
    assert model.expected_maximum(-np.log(1 - middles) / 2, draws) == pytest.approx(harmonic / 2, rel=1e-4)
    assert model.expected_maximum(middles, draws) == pytest.approx(draws / (draws + 1), rel=1e-4)


def test_a_ring_sends_what_the_algorithm_does(model):
    """Simulated: n - 1 rounds that sum a part, then n - 1 that pass a sum on; each part is 1 / n of the bytes."""
    for workers in (2, 3, 5):
        values = np.random.default_rng(workers).normal(size=(workers, workers))  # a part in each column
        expected, sent, each = values.sum(axis=0), 0, 120 / workers
        for turn in range(workers - 1):
            parts = [(worker, (worker - turn) % workers) for worker in range(workers)]
            moved = [values[worker, part] for worker, part in parts]
            for (worker, part), value in zip(parts, moved, strict=True):
                values[(worker + 1) % workers, part] += value
            sent += each
        for turn in range(workers - 1):
            parts = [(worker, (worker + 1 - turn) % workers) for worker in range(workers)]
            moved = [values[worker, part] for worker, part in parts]
            for (worker, part), value in zip(parts, moved, strict=True):
                values[(worker + 1) % workers, part] = value
            sent += each
        np.testing.assert_allclose(values, np.tile(expected, (workers, 1)))
        assert model.bytes_sent(workers, 120) == pytest.approx(sent)


def test_links(model):
    ring, tree = model.Link(100.0, 0.5), model.Link(100.0, 0.5, tree=True)
    assert ring.seconds(2, 200) == 2 + 2 * 0.5
    assert ring.seconds(4, 200, collectives=3) == 3 + 3 * 6 * 0.5
    assert tree.seconds(4, 200) == 3 + 4 * 0.5
    assert tree.messages(512) == 18
    assert ring.seconds(1, 200) == tree.seconds(1, 200) == 0


def test_fitted_link_finds_what_made_the_times(model):
    link = model.Link(2e9, 3e-4)
    measured = [(workers, size, link.seconds(workers, size)) for workers in (2, 4) for size in (4, 1e6, 3e7)]
    found = model.fitted_link(measured)
    assert (found.bandwidth, found.latency) == (pytest.approx(2e9), pytest.approx(3e-4))


def test_processes_of_one_machine_take_turns(model):
    """Two cores; steps of 1 or 3 s; a sum of 10 bytes at 10 bytes/s without latency takes 1 s for two, 1.5 for four."""
    machine = model.OneMachine([1.0, 3.0], cores=2, link=model.Link(10.0, 0.0), size=10)
    assert machine.step(1) == 2
    assert machine.step(2) == 2.5 + 1
    assert machine.step(4) == 2 * (2.5 + 1.5)
    fitted = machine.fitted(2, 2.5 + 0.4)
    assert fitted.cost == pytest.approx(0.4)
    assert fitted.step(2) == pytest.approx(2.9)
    assert fitted.step(4) == pytest.approx(2 * (2.5 + 0.4 * 1.5))


@pytest.fixture
def hardware(model):
    """Two accelerators a host; a sum of 40 bytes takes 0.4 s for two, 6 s for four, 7 s for eight."""
    return model.Hardware(
        rate=10,
        per_host=2,
        host=model.Link(100, 0),
        network=model.Link(10, 0),
        cores=4,
        read_bandwidth=1000,
    )


@pytest.fixture
def job(model):
    return model.Job(
        images=1000,
        test_images=300,
        parameters=10,
        batch=20,
        largest_batch=100,
        image_bytes=1,
        images_per_core=100,
        records=False,
    )


def test_steps_by_hand(model, hardware, job):
    assert model.step(1, hardware, job).lost == dict(stragglers=0, all_reduce=0, reading=0, decoding=0)
    for count, all_reduce in ((2, 0.4), (4, 6)):
        each = model.step(count, hardware, job)
        assert (each.batch, each.compute, each.all_reduce) == (20 * count, 2, pytest.approx(all_reduce))
        assert each.seconds == pytest.approx(2 + all_reduce)
        assert each.efficiency == pytest.approx(2 / (2 + all_reduce))
    each = model.step(8, hardware, job)  # of a limited batch of 100, 12.5 each
    assert (each.batch, each.compute, each.all_reduce) == (100, 1.25, pytest.approx(7))


def test_the_backward_pass_hides_sums(model, hardware, job):
    hidden = dataclasses.replace(job, overlap=1.0)
    assert model.step(2, hardware, hidden).all_reduce == 0
    assert model.step(4, hardware, hidden).all_reduce == pytest.approx(6 - 2 / 3 * 2)


def test_stragglers_by_hand(model, hardware, job):
    """Half of the steps take 0.5, half 1.5 times as long: of two accelerators, the slower one takes 1.25 times."""
    uneven = dataclasses.replace(hardware, stragglers=(0.5, 1.5))
    assert model.step(1, uneven, job).stragglers == 0
    assert model.step(2, uneven, job).stragglers == pytest.approx(2 * 0.25)


def test_accelerators_wait_for_the_slower_of_reading_and_decoding(model, hardware, job):
    """A step of two accelerators computes and sums for 2.4 s; its 40 images are decoded at 400 per second."""
    assert model.step(2, hardware, dataclasses.replace(job, images_per_core=2)).decoding == pytest.approx(5 - 2.4)
    large = dataclasses.replace(job, image_bytes=250)
    assert model.step(2, hardware, large).reading == pytest.approx(10 - 2.4)
    both = model.step(2, hardware, dataclasses.replace(large, images_per_core=2))
    assert (both.reading, both.decoding) == (pytest.approx(10 - 2.4), 0)
    # Two hosts share the files of a folder, but each reads all of a record set.
    assert model.step(4, hardware, large).reading == pytest.approx(10 - 8)
    assert model.step(4, hardware, dataclasses.replace(large, records=True)).reading == pytest.approx(20 - 8)


def test_epochs_by_hand(model, hardware, job):
    """1000 images in steps of 40 that take 2.4 s; 300 test images at 3 x 10 per second."""
    each = model.epoch(2, hardware, job)
    assert each.training == pytest.approx(25 * 2.4)
    assert (each.evaluation_on_one, each.evaluation) == (10, 5)
    assert each.checkpoints == pytest.approx(0.6)
    assert model.checkpoint_interval(10, bandwidth=80) == pytest.approx(100)


def test_limits_by_hand(model, hardware, job):
    """The sums take 20 % of the compute time on two accelerators, and 300 % on four."""
    none = dict(stragglers=None, reading=None, decoding=None)
    assert model.limits(hardware, job, share=0.1, most=8) == {**none, "all_reduce": 2}
    assert model.limits(hardware, job, share=0.3, most=8) == {**none, "all_reduce": 4}
    assert model.limits(hardware, job, share=9, most=8) == {**none, "all_reduce": None}


def run(*arguments, folder=REPOSITORY):
    command = [sys.executable, BENCHMARKS / "scale.py", *map(str, arguments)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=500)


GUIDE = (REPOSITORY / "docs" / "scale.md").read_text(encoding="utf-8")
WHOLE, PUBLISHED = re.findall(r"^    python benchmarks/scale.py (predict .*)$", GUIDE, re.MULTILINE)


def rows(text):
    return [line for line in text.splitlines() if line.startswith("|")]


def test_the_guide_has_the_tables_that_the_program_prints(tmp_path):
    """From the measurements beside the program; the command of the guide, which draws its picture."""
    command = WHOLE.replace("scale.png", str(tmp_path / "scale.png"))
    result = run(*shlex.split(command))  # TensorFlow, which the picture's style starts, writes to standard error
    assert result.returncode == 0, result.stderr
    assert [row for row in rows(result.stdout) if row not in rows(GUIDE)] == []
    assert (tmp_path / "scale.png").stat().st_size > 10_000


def test_the_guide_compares_with_published_results_as_the_program_does():
    result = run(*shlex.split(PUBLISHED))
    assert (result.returncode, result.stderr) == (0, "")
    _, _, section = GUIDE.partition("## Two published results")
    assert len(rows(section)) == 6
    assert set(rows(section)) <= set(rows(result.stdout))


@pytest.mark.parametrize("arguments", [[], ["measure"], ["predict"], ["guess", "file.json"]])
def test_wrong_arguments_are_one_line(arguments):
    result = run(*arguments)
    assert result.returncode == 1
    assert result.stderr.startswith("usage: scale.py measure --output=FILE.json")
    assert result.stderr.count("\n") == 1


@pytest.mark.exhaustive
def test_measurements_are_taken_and_predicted_from(tmp_path):
    output = tmp_path / "scale.json"
    result = run("measure", f"--output={output}", "--processes=1,2", "--steps=3")
    assert result.returncode == 0, result.stderr
    measured = json.loads(output.read_text())
    for times in (*measured["alone"].values(), *(each["1"] for each in measured["steps"].values())):
        assert min(times) > 0
    result = run("predict", output, "--accelerators=8", "--images=1e6")
    assert result.returncode == 0, result.stderr
    assert "| resnet18 | 2 |" in result.stdout
