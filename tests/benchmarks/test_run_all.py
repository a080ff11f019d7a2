"""`run_all.py`: what it runs, and the page that it writes."""

import importlib.util
import json
import re
import subprocess
import sys

import numpy as np
import page
import pytest
import rounds

from tests.conftest import REPOSITORY
from tests.marks import exhaustive
from tests.photos import encode, scene

PAGE = f"# Benchmarks\n\nWritten by hand.\n\n{page.BEGIN}\nold\n{page.END}\n\nThe end.\n"
SMALL_CASES = [  # of several programs, and those of them that must be measured
    exhaustive(
        "throughput.py", "resnet20 float32: (ours|limit)", ["resnet20 float32: ours", "resnet20 float32: limit"]
    ),
    ("forward.py", "float32, batch 1: (ours|timm)", ["float32, batch 1: ours"]),
    exhaustive("memory.py", "inference float32: ours", ["inference float32: ours"]),
    exhaustive("growth.py", "depth: ours", ["depth: ours"]),
    exhaustive("workers.py", "resnet20, 2 processes", ["resnet20, 2 processes"]),
]


@pytest.fixture
def written(tmp_path):
    """A function that runs `run_all.py --quick` with flags; the page and the results that it writes."""
    (tmp_path / "page.md").write_text(PAGE)

    def run(*options):
        paths = [f"--page={tmp_path / 'page.md'}", f"--results={tmp_path / 'results.json'}"]
        command = [sys.executable, REPOSITORY / "benchmarks/run_all.py", "--quick", *paths, *options]
        result = subprocess.run(command, capture_output=True, text=True, timeout=550)
        assert result.returncode == 0, result.stderr
        return (tmp_path / "page.md").read_text(), json.loads((tmp_path / "results.json").read_text())

    return run


@pytest.mark.slow
@pytest.mark.parametrize(("program", "cases", "measured"), SMALL_CASES, ids=lambda value: str(value)[:20])
def test_small_cases_run(program, cases, measured, written):
    text, results = written(f"--only=^{program} {cases}$")
    (name, record) = results.popitem()
    assert not results
    assert (name, list(record["found"])) == (program, measured)
    for case in measured:
        assert f"\n| {case} | " in text
        assert np.isfinite(list(record["found"][case][0].values())).all()
    for case, reason in record["missing"].items():
        assert f"* {case}: {reason}" in text
    if program == "forward.py" and importlib.util.find_spec("torch") is None:
        assert record["missing"] == {"float32, batch 1: timm": "ModuleNotFoundError: No module named 'torch'"}


def test_the_page_names_what_was_not_measured_and_lists_all_that_was_asked(written):
    text, results = written("--only=^nothing$")
    assert results == {}
    assert text.startswith("# Benchmarks\n\nWritten by hand.\n")
    assert text.endswith(f"{page.END}\n\nThe end.\n")
    assert "\nold\n" not in text
    for line in ("* `accuracy.py`: needs --cifar", "* `prediction.py`: needs --photos", "* `forward.py`: not run"):
        assert line in text
    assert "| resnet50 bfloat16: ours / torchvision | `throughput.py` | at least 1.15 | not measured |  |" in text
    assert "| resnet50 bfloat16: ours / torchvision (GPU) | `throughput.py` | at least 1 | not measured |  |" in text
    assert "| best int8 artifact / keras.applications, predict | `export.py` | at least 11 | not measured |  |" in text
    assert "| throughput, p99 / mean | `service.py` | at most 3 | not measured |  |" in text


def test_results_of_earlier_runs_stay_and_reasons_are_linked(written, tmp_path):
    record = {
        "command": "python benchmarks/throughput.py --rounds=2",
        "machine": "a machine",
        "gpu": False,
        "commit": "abc1234",
        "rounds": 2,
        "found": {
            "resnet50 bfloat16: ours": [{"images/s": 10.0}, {"images/s": 20.0}],
            "resnet50 bfloat16: torchvision": [{"images/s": 20.0}, {"images/s": 20.0}],
        },
        "missing": {"resnet50 bfloat16: keras.applications": "a reason"},
    }
    (tmp_path / "results.json").write_text(json.dumps({"throughput.py": record}))
    text, results = written("--only=^nothing$")
    assert results == {"throughput.py": record}
    for line in (
        "    python benchmarks/throughput.py --rounds=2",
        "a machine; commit abc1234; 2 rounds.",
        "| resnet50 bfloat16: ours | 15 |",
        "| resnet50 bfloat16: ours / torchvision | 0.75 | 0.50 to 1.00 |",
        "* resnet50 bfloat16: keras.applications: a reason",
        "| resnet50 bfloat16: ours / torchvision | `throughput.py` | at least 1.15 | 0.75 (0.50 to 1.00) "
        "| [why](#training-steps-throughputpy) |",
    ):
        assert f"\n{line}" in text


def test_results_with_and_without_a_gpu_stand_beside_each_other(written, tmp_path):
    shared = {"command": "python benchmarks/throughput.py", "commit": "abc1234", "rounds": 1, "missing": {}}

    def record(gpu, speed):
        cases = {
            "resnet50 bfloat16: ours": [{"images/s": speed}],
            "resnet50 bfloat16: torchvision": [{"images/s": 4.0}],
        }
        return {**shared, "gpu": gpu, "machine": "a GPU" if gpu else "a CPU", "found": cases}

    results = {"throughput.py": record(False, 5.0), "throughput.py on a GPU": record(True, 6.0)}
    (tmp_path / "results.json").write_text(json.dumps(results))
    text, _ = written("--only=^nothing$")
    assert text.index("\n### `throughput.py`\n") < text.index("\n### `throughput.py` on a GPU\n")
    assert "| resnet50 bfloat16: ours / torchvision | `throughput.py` | at least 1.15 | 1.25 (1.25 to 1.25) |" in text
    assert (
        "| resnet50 bfloat16: ours / torchvision (GPU) | `throughput.py` | at least 1 | 1.50 (1.50 to 1.50) |" in text
    )
    assert "* `throughput.py`: not run" not in text


def test_many_numbers_stand_below_each_other():
    numbers = {f"n{index}": float(index) for index in range(page.WIDEST + 1)}
    (text,) = page.tables({"load": [numbers]})
    assert text.splitlines()[:4] == ["| case | load |", "|---|---|", "| n0 | 0 |", "| n1 | 1 |"]


def test_the_goal_on_a_gpu_counts_where_there_is_one():
    ratio = rounds.Ratio("step: ours", "step: torchvision", asked=1.15, asked_on_gpu=1.0)
    assert ratio.reached(1.05, gpu=True)
    assert not ratio.reached(1.05, gpu=False)


def test_a_page_without_marks_is_refused(tmp_path):
    (tmp_path / "page.md").write_text("# Benchmarks\n")
    with pytest.raises(ValueError, match="lacks the lines"):
        page.replace_measured(tmp_path / "page.md", "results")


def test_reasons_lead_to_headings_of_the_page():
    anchors = {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.*)$", (REPOSITORY / "benchmarks/README.md").read_text(), re.MULTILINE)
    }
    sources = [path.read_text() for path in (REPOSITORY / "benchmarks").glob("*.py")]
    reasons = {anchor for source in sources for anchor in re.findall(r'(?:why=|WHY = )"(.+?)"', source)}
    assert reasons
    assert reasons <= anchors


@pytest.mark.exhaustive
def test_all_cases_of_this_package_run(written, tmp_path, tiny_cifar):
    photos = tmp_path / "photos"
    photos.mkdir()
    for seed in range(40):
        (photos / f"{seed}.jpg").write_bytes(encode(scene(240, 240, seed), "JPEG"))
    torch = r"torchvision|timm|PyTorch|keras_hub"
    only = rf"^(?!.*({torch}))(?!.*float32)"
    _, results = written(f"--photos={photos}", f"--cifar={tiny_cifar}", f"--only={only}")
    assert {name for name, record in results.items() if record["found"]} == {
        "throughput.py", "growth.py", "forward.py", "memory.py", "workers.py", "overhead.py", "input_pipeline.py",
        "accuracy.py", "export.py", "prediction.py", "service.py",
    }  # fmt: skip
    assert [record["missing"] for record in results.values() if record["missing"]] == []
