"""`keras-resnet analyze degradation` and `shortcuts`."""

import csv
import re
import subprocess
import sys

import pytest

from tests.commands.running import keras_resnet_command

FLAGS = ["--epochs=1", "--batch_size=32", "--validation_fraction=0", "--seeds=1"]


@pytest.fixture
def analyze(monkeypatch, tmp_path):
    """A function that runs `keras-resnet analyze` in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return lambda *arguments: keras_resnet_command(monkeypatch, "analyze", *arguments)


@pytest.fixture(scope="module")
def degradation(tiny_cifar, tmp_path_factory):
    """How `analyze degradation` ended, the flags that all sweeps here share, and the folder of the results."""
    pytest.importorskip("matplotlib")
    folder = tmp_path_factory.mktemp("sweep") / "results"
    flags = [*FLAGS, f"--data_dir={tiny_cifar}", f"--output={folder}"]
    with pytest.MonkeyPatch.context() as monkeypatch:
        ended = keras_resnet_command(monkeypatch, "analyze", "degradation", "--depths=14,8", *flags)
    return ended, flags, folder


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.exhaustive
def test_degradation_prints_plan_progress_and_verdict_and_writes_the_results(degradation):
    (code, stdout, stderr), _, folder = degradation
    assert (code, stderr) == (0, "")
    assert "| plainnet8_cifar, seed 1 | 75,290 | 0.0122 | 1 | 0 |" in stdout
    assert re.search(r"Run 4 of 4: resnet14_cifar, seed 1 \(sweep: \d\d % done, about \d+ min left\)\.", stdout)
    found = rows(folder / "degradation.csv")
    assert [(row["network"], row["residual"], row["epoch"]) for row in found] == [
        ("plainnet8_cifar", "False", "1"),
        ("resnet8_cifar", "True", "1"),
        ("plainnet14_cifar", "False", "1"),
        ("resnet14_cifar", "True", "1"),
    ]
    final = {row["network"]: float(row["training_error"]) for row in rows(folder / "degradation_final.csv")}
    sentences = stdout.splitlines()[-4:]
    assert sentences[0].startswith(f"Plain: the training error of 14 layers, {100 * final['plainnet14_cifar']:.2f} %,")
    assert sentences[3].endswith("(after 1 epoch, 1 seed).")
    assert (folder / "degradation.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.exhaustive
def test_repeated_command_trains_nothing_and_prints_the_same_verdict(analyze, degradation):
    before, flags, folder = degradation
    found = rows(folder / "degradation.csv")
    code, stdout, stderr = analyze("degradation", "--depths=8,14", *flags)
    assert (code, stderr) == (0, "")
    assert stdout.count("finished before") == 4
    assert stdout.splitlines()[-4:] == before.stdout.splitlines()[-4:]
    assert rows(folder / "degradation.csv") == found


@pytest.mark.exhaustive
def test_command_with_other_settings_is_refused(analyze, degradation):
    _, flags, folder = degradation
    code, _, stderr = analyze("degradation", "--depths=8,14", *flags, "--epochs=2")
    assert code == 1
    assert stderr.startswith(f"error: {folder}/plainnet8_cifar-seed1 holds a run with other settings (recipe.epochs: ")
    assert len(stderr.splitlines()) == 1


@pytest.mark.exhaustive
def test_shortcuts_share_the_runs_of_a_sweep(analyze, degradation):
    _, flags, folder = degradation
    code, stdout, stderr = analyze("shortcuts", "--depth=8", *flags)
    assert (code, stderr) == (0, "")
    assert stdout.count("finished before") == 2
    assert "| A | 75,290 | 0.0122 | " in stdout
    found = rows(folder / "shortcuts.csv")
    assert [row["shortcut"] for row in found] == ["A", "B", "C", "none"]
    errors = [f"{row['shortcut']} {100 * float(row['test_error']):.2f} %" for row in found]
    assert f"Test errors over 1 seed: {', '.join(errors)}." in stdout
    assert (folder / "shortcuts.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["degradation", "--depths=20,21"], "There is no network of 21 layers: those for CIFAR have 6n + 2 layers"),
        (["degradation", "--depths=20"], "--depths=20 must be two or more different depths."),
        (["degradation", "--depths=20,20,56"], "--depths=20,20,56 must be two or more different depths."),
        (["degradation", "--depths="], "--depths= must be two or more different depths."),
        (["degradation", "--depths=20,deep"], "--depths=20,deep must be integers separated by commas."),
        (["degradation", "--depths=18,20"], "--depths=18,20 mixes networks for CIFAR and for photos."),
        (["degradation", "--seeds="], "--seeds is empty."),
        (["degradation", "--seeds=0,1,0"], "--seeds=0,1,0 repeats a seed."),
        (["degradation", "--seeds=-1"], "recipe: seed=-1 must be between 0 and"),
        (["degradation", "--seed=1"], "Unknown flag '--seed'; did you mean '--seeds'?"),
        (["degradation", "--epochs=0"], "recipe: epochs=0.0 must be above 0."),
        (["degradation", "--recipe=cifar_quik"], "Unknown recipe 'cifar_quik'; did you mean 'cifar_quick'"),
        (["shortcuts", "--depth=49"], "There is no network of 49 layers"),
        (["shortcuts", "--seeds=2,2"], "--seeds=2,2 repeats a seed."),
        (["shortcuts", "--data="], "--data is empty."),
    ],
)
def test_wrong_flags_are_refused_in_one_sentence(analyze, arguments, message, tmp_path):
    code, stdout, stderr = analyze(*arguments)
    assert (code, stdout) == (1, "")
    assert stderr.startswith(f"error: {message}")
    assert len(stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("subject", ["degradation", "shortcuts"])
def test_help_shows_the_recipe_and_imports_neither_keras_nor_tensorflow(subject, tmp_path):
    program = tmp_path / "keras-resnet"
    program.write_text(
        "import sys, keras_resnet.commands.main\n"
        "try:\n    keras_resnet.commands.main.main()\n"
        "finally:\n    print(*sorted({'keras', 'tensorflow'} & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, program, "analyze", subject, "--help"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "\n")
    flat = " ".join(done.stdout.split())
    assert "[20]" in flat.partition("--epochs=NUMBER")[2].partition("--")[0]
    assert "--seed=" not in flat
