"""Rounds, ratios, and fits of the benchmarks."""

import sys

import numpy as np
import pytest
import rounds
from program import resident_memory

FOUND = {
    "step: ours": [{"images/s": 10.0}, {"images/s": 12.0}, {"images/s": 30.0}],
    "step: torchvision": [{"images/s": 8.0}, {"images/s": 6.0}, {"images/s": 10.0}],
    "loops": [{"% above": 3.0}, {"% above": 1.0}, {"% above": 2.5}],
}


def test_the_ratio_is_that_of_the_medians_and_its_spread_that_of_the_rounds():
    ratio = rounds.Ratio("step: ours", "step: torchvision")
    assert rounds.spread(ratio, FOUND) == (12 / 8, 10 / 8, 3.0)
    assert ratio.name == "step: ours / torchvision"


def test_a_ratio_without_another_case_is_the_number_itself():
    ratio = rounds.Ratio("loops", None, "% above", asked=2, at_most=True)
    assert rounds.spread(ratio, FOUND) == (2.5, 1.0, 3.0)
    assert not ratio.reached(2.5, gpu=False)
    assert ratio.reached(2.0, gpu=False)


def test_of_several_cases_the_best_counts():
    best = rounds.Ratio(("step: torchvision", "missing", "step: ours"), None, label="best")
    assert rounds.spread(best, FOUND).value == 12
    assert best.name == "best, images/s"


@pytest.mark.parametrize(
    "ratio",
    [
        rounds.Ratio("step: ours", "step: timm"),
        rounds.Ratio("other", "step: ours"),
        rounds.Ratio("loops", "step: ours"),
    ],
)
def test_a_ratio_of_missing_numbers_is_none(ratio):
    assert rounds.spread(ratio, FOUND) is None


def test_medians_are_those_of_the_rounds_that_have_the_number():
    assert rounds.medians([{"a": 1.0}, {"a": 5.0, "b": 7.0}, {"a": 2.0}]) == {"a": 2.0, "b": 7.0}


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_the_exponent_of_a_power_law_is_found(power):
    sizes = np.array([1, 2, 8, 64])
    assert rounds.exponent(sizes, 3.7 * sizes**power) == pytest.approx(power, abs=1e-12)


def test_cases_take_turns_and_one_that_fails_is_left_out_with_the_reason():
    order = []

    def run_case(case):
        order.append(case)
        if case == "timm":
            raise rounds.CaseError("No module named 'timm'")
        return {"images/s": float(len(order))}

    found, missing = rounds.take_turns(["ours", "timm", "torchvision"], 2, run_case)
    assert order == ["ours", "timm", "torchvision", "ours", "torchvision"]
    assert found == {
        "ours": [{"images/s": 1.0}, {"images/s": 4.0}],
        "torchvision": [{"images/s": 3.0}, {"images/s": 5.0}],
    }
    assert missing == {"timm": "No module named 'timm'"}


def test_a_process_answers_in_its_last_line_and_its_last_error_is_the_reason(tmp_path):
    program = tmp_path / "program.py"
    program.write_text("import json, sys\nprint('a line')\nprint(json.dumps({'x': float(sys.argv[1])}))\n")
    assert rounds.run(sys.executable, str(program), 2) == {"x": 2.0}
    with pytest.raises(rounds.CaseError, match="could not convert string to float: 'two'"):
        rounds.run(sys.executable, str(program), "two")


@pytest.mark.parametrize("field", ["VmRSS", "VmHWM"])
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_megabyte_is_a_million_bytes(field):
    """So 100 MB more than the process ever had are there, in units of 4096 bytes or of kilobytes of 1024."""
    before = resident_memory("VmHWM") - resident_memory("VmRSS") if field == "VmHWM" else 0
    start = resident_memory(field)
    block = np.ones(int(1e6 * (100 + before)), "uint8")
    assert resident_memory(field) - start == pytest.approx(100, rel=0.015)
    del block
