"""The public names, what importing them costs, and that every docstring's example runs."""

import doctest
import importlib
import pkgutil
import subprocess
import sys

import pytest

import keras_resnet
from tests.conftest import REPOSITORY
from tests.marks import exhaustive

MODULES = sorted(module.name for module in pkgutil.walk_packages(keras_resnet.__path__, "keras_resnet."))


def test_all_names_exist():
    for name in keras_resnet.__all__:
        assert getattr(keras_resnet, name) is not None
    assert len(set(keras_resnet.__all__)) == len(keras_resnet.__all__)
    assert set(keras_resnet.__all__) <= set(dir(keras_resnet))
    with pytest.raises(AttributeError, match="ResNet51"):
        keras_resnet.ResNet51  # noqa: B018


def test_import_brings_no_data_stack_and_nothing_optional():
    code = "import keras, sys; before = set(sys.modules); import keras_resnet; print(*set(sys.modules) - before)"
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    brought = {name.split(".")[0] for name in printed.split()}
    assert "keras_resnet" in brought
    assert brought <= {"keras_resnet", *sys.stdlib_module_names}


@pytest.mark.slow
def test_import_registers_layers_with_keras_whatever_the_script_is_called(tmp_path):
    keras_resnet.ResNet20Cifar().save(tmp_path / "net.keras")
    script = tmp_path / "predict.py"  # the name of one of this package's own commands
    script.write_text("import keras, keras_resnet; print(keras.saving.load_model('net.keras').name)")
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, cwd=tmp_path, timeout=300)
    assert done.stdout == "resnet20_cifar\n", done.stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["/usr/local/bin/keras-resnet", "train"], True),
        (["keras-resnet.exe"], True),
        (["keras-resnet.py"], False),
        ([str(REPOSITORY / "scripts" / "predict.py"), "RUN"], True),
        ([str(REPOSITORY / "scripts" / "of_a_user.py")], False),
        (["/home/user/scripts/predict.py"], False),
        (["-m", "train"], True),
        ([""], False),
        ([], False),
    ],
)
def test_only_commands_of_this_package_import_keras_later(arguments, expected, monkeypatch):
    monkeypatch.setattr(sys, "argv", arguments)
    monkeypatch.setattr(sys, "orig_argv", ["python", "-m", "keras_resnet", "train"])
    assert keras_resnet._runs_command() == expected


@pytest.mark.exhaustive
def test_commands_find_all_public_names_on_first_use(tmp_path):
    command = tmp_path / "keras-resnet"
    command.write_text(
        "import sys, keras_resnet\n"
        "assert 'keras' not in sys.modules\n"
        "names = keras_resnet.__all__\n"
        "assert all(getattr(keras_resnet, name) is not None for name in [*names, 'ResNet50', 'PlainNet20Cifar'])\n"
        "print('keras' in sys.modules, len(names))\n"
    )
    done = subprocess.run([sys.executable, command], capture_output=True, text=True, timeout=300)
    constructors = set(keras_resnet.__all__) & set(keras_resnet.models.CONSTRUCTORS)
    assert done.stdout == f"True {len(keras_resnet.__all__) - len(constructors)}\n", done.stderr


def _examples(module):
    """The docstrings of a module that hold examples."""
    tests = doctest.DocTestFinder(exclude_empty=True).find(importlib.import_module(module))
    return [test for test in tests if test.examples]


LONG = (  # modules whose examples train, export, or take long for another reason
    "keras_resnet.analysis.gradients",
    "keras_resnet.analysis.recording",
    "keras_resnet.analysis.shattering",
    "keras_resnet.analysis.sweep",
    "keras_resnet.evaluation.classification",
    "keras_resnet.evaluation.recalibration",
    "keras_resnet.exporting.exporter",
    "keras_resnet.models.complexity",
    "keras_resnet.runtimes.prediction",
    "keras_resnet.runtimes.opening",
    "keras_resnet.training.distillation",
    "keras_resnet.training.dry_runs",
)


@pytest.mark.parametrize("module", [exhaustive(module) if module in LONG else module for module in MODULES])
def test_docstring_examples_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed = sum(doctest.DocTestRunner().run(test).failed for test in _examples(module))
    assert failed == 0


@pytest.mark.parametrize("name", ["ResNet50", "PlainNet20Cifar"])
def test_examples_of_constructors_run(name):
    """Their docstrings are one text, filled in."""
    (test,) = [test for test in doctest.DocTestFinder().find(getattr(keras_resnet, name), name) if test.examples]
    assert doctest.DocTestRunner().run(test).failed == 0


def test_no_example_is_lost():
    """A module that moves out of sight takes its examples along: 64 docstrings had some, and the constructors'."""
    assert sum(len(_examples(module)) for module in MODULES) >= 64


def test_every_public_name_has_an_example():
    for name in keras_resnet.__all__:
        public = getattr(keras_resnet, name)
        if callable(public):
            assert ">>> " in public.__doc__, name
