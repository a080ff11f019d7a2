"""`keras-resnet` itself: the list of commands, `--help`, and unknown names; and that these need no TensorFlow."""

import importlib
import re
import subprocess
import sys

import pytest

import keras_resnet
from keras_resnet.commands import main
from keras_resnet.commands.table import COMMAND_GROUPS, COMMANDS, SUBJECTS
from keras_resnet.recipes import RECIPES, settings
from tests.commands.running import keras_resnet_command
from tests.conftest import REPOSITORY


@pytest.fixture
def run(monkeypatch):
    return lambda *arguments: keras_resnet_command(monkeypatch, *arguments)


@pytest.mark.parametrize("arguments", [(), ("--help",), ("-h",), ("help",)])
def test_without_a_command_it_lists_all_with_a_line_each(run, arguments):
    code, stdout, stderr = run(*arguments)
    assert (code, stderr) == (0, "")
    for name, command in {**COMMANDS, **COMMAND_GROUPS}.items():
        assert re.search(rf"^  {name} +{re.escape(command.summary)}$", stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments", [("analyze",), ("analyze", "--help")])
def test_without_a_subject_it_lists_all(run, arguments):
    code, stdout, stderr = run(*arguments)
    assert (code, stderr) == (0, "")
    assert stdout.startswith("usage: keras-resnet analyze SUBJECT [arguments and flags]\n")
    for name, command in SUBJECTS.items():
        assert re.search(rf"^  {name} +{re.escape(command.summary)}$", stdout, re.MULTILINE)


def test_an_unknown_subject_suggests_the_nearest(run):
    assert run("analyze", "lesion") == (1, "", "error: Unknown subject 'lesion'; did you mean 'lesions'?\n")


def test_an_unknown_command_suggests_the_nearest(run):
    assert run("tain") == (1, "", "error: Unknown command 'tain'; did you mean 'train'?\n")


def test_version(run):
    assert run("--version") == (0, f"keras-resnet {keras_resnet.__version__}\n", "")


@pytest.mark.parametrize(("words", "has_settings"), [("train", True), ("analyze gradients", False)])
def test_help_speaks_of_the_recipes_defaults_where_its_settings_are_flags(run, words, has_settings):
    assert ("they are those of the recipe" in run(*words.split(), "--help").stdout) == has_settings


WORDS = {**COMMANDS, **{f"analyze {name}": command for name, command in SUBJECTS.items()}}  # after the program's name


@pytest.mark.parametrize("words", WORDS)
def test_help_of_each_command(run, words):
    code, stdout, stderr = run(*words.split(), "--help")
    assert (code, stderr) == (0, "")
    assert stdout.startswith(f"usage: keras-resnet {words} [flags]")
    assert WORDS[words].summary in stdout
    assert "--[no]help" in stdout
    for clutter in ("--undefok", "--flagfile", "--verbosity", "--pdb"):
        assert clutter not in stdout


@pytest.mark.parametrize(
    ("arguments", "defaults"),
    [
        (("train", "--recipe=fb2016"), dict(epochs="90", crop_fraction="0.875", milestones="0.333333,0.666667")),
        (("train", "--recipe=he2015"), dict(epochs="120", schedule="plateau", per_pixel_mean="yes")),
        (("train", "--data=cifar10"), dict(epochs="20", model="resnet20_cifar", recipe="cifar_quick", pad="4")),
        (("train", "--data=cifar100:3.0.2"), dict(model="resnet20_cifar", recipe="cifar_quick")),
        (("train", "--data=imagenet2012"), dict(model="resnet50", recipe="fb2016")),
        (("finetune",), dict(epochs="12.5", weights="imagenet", recipe="finetune")),
    ],
)
def test_help_shows_the_values_of_the_selected_recipe(run, arguments, defaults):
    _, stdout, _ = run(*arguments, "--help")
    flat = " ".join(stdout.split())
    for flag, value in defaults.items():
        start = re.search(rf"--(\[no\])?{flag}\b", flat).end()
        assert re.search(r"\[([^]@/]*)\]", flat[start:]).group(1) == value, flag


def test_help_groups_flags_by_subject(run):
    _, stdout, _ = run("train", "--help")
    groups = re.findall(r"^(\S.*):$", stdout, re.MULTILINE)
    assert groups == [
        *("run", "data", "model", "network", "schedule", "optimizer", "loss", "fine-tuning", "augmentation"),
        *("test view", "devices"),
    ]
    for name in settings(RECIPES["fb2016"]):
        assert re.search(rf"^  --(\[no\])?{name}\b", stdout, re.MULTILINE)


def test_help_with_an_unknown_recipe_is_an_error(run):
    code, _, stderr = run("train", "--recipe=fb2017", "--help")
    assert (code, stderr) == (1, "error: Unknown recipe 'fb2017'; did you mean 'fb2016'?\n")


PROBE = """
import sys
try:
    {start}
finally:
    print(*sorted({{"keras", "tensorflow"}} & set(sys.modules)), file=sys.stderr)
"""
IMPORTS = "import keras_resnet.commands.main; keras_resnet.commands.main.main()"


@pytest.mark.parametrize("words", ["", "analyze", *WORDS])
def test_help_imports_neither_keras_nor_tensorflow(words, tmp_path):
    """What makes it fast."""
    program = tmp_path / "keras-resnet"
    program.write_text(PROBE.format(start=IMPORTS))
    done = subprocess.run(
        [sys.executable, program, *words.split(), "--help"], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "\n")
    assert done.stdout.startswith("usage: keras-resnet")


@pytest.mark.parametrize("script", sorted((REPOSITORY / "scripts").glob("*.py")), ids=lambda path: path.name)
def test_help_of_each_script_imports_neither_keras_nor_tensorflow(script):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", script, "--help"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0
    assert done.stdout.startswith(f"usage: {script.name} [flags]")
    imported = set(re.findall(r"\| +(\S+)$", done.stderr, re.MULTILINE))
    assert "keras_resnet.recipes" in imported
    assert not imported & {"keras", "tensorflow"}


def test_python_m_runs_the_command():
    done = subprocess.run([sys.executable, "-m", "keras_resnet"], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert "keras-resnet COMMAND --help" in done.stdout


def test_setup_installs_the_command():
    (target,) = re.findall(r'"keras-resnet = (\S+)"', (REPOSITORY / "setup.py").read_text())
    module, function = target.split(":")
    assert getattr(importlib.import_module(module), function) is main.main


@pytest.mark.parametrize("subject", ["responses resnet20_cifar", "gradients resnet20_cifar"])
def test_output_that_is_a_file_is_refused_before_the_work(run, subject, tmp_path):
    output = tmp_path / "file"
    output.touch()
    code, _, stderr = run("analyze", *subject.split(), f"--output={output}", f"--data_dir={tmp_path}")
    assert (code, stderr) == (1, f"error: {output} cannot be written (File exists); any earlier file is kept.\n")
