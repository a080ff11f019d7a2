"""The public names, what importing them costs, and that every docstring's example runs."""

import ast
import doctest
import importlib
import pathlib
import pkgutil
import re
import subprocess
import sys

import pytest

import keras_resnet

MODULES = sorted(module.name for module in pkgutil.iter_modules(keras_resnet.__path__))
PACKAGE = pathlib.Path(keras_resnet.__file__).parent


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


@pytest.mark.parametrize("module", MODULES)
def test_docstring_examples_run(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    failed = 0
    for test in doctest.DocTestFinder().find(importlib.import_module(f"keras_resnet.{module}")):
        built = test.name.rpartition(".")[2]
        if not re.search(r"\d", built) or built in ("ResNet50", "PlainNet20Cifar"):  # one text for all constructors
            failed += doctest.DocTestRunner().run(test).failed
    assert failed == 0


def test_every_public_name_has_an_example():
    for name in keras_resnet.__all__:
        public = getattr(keras_resnet, name)
        if callable(public):
            assert ">>> " in public.__doc__, name


def _package_imports(path):
    """The modules of the package that a file imports at its top level."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.ImportFrom) and node.module.startswith("keras_resnet"):
            yield from (
                [alias.name for alias in node.names] if node.module == "keras_resnet" else [node.module.split(".")[1]]
            )


def test_imports_point_one_way():
    """Each module imports only what stands before it in this order; none imports a script or reads flags."""
    order = [
        "names",
        "variants",
        "preprocessing",
        "layers",
        "normalization",
        "plots",
        "recipes",
        "keras_hooks",
        "replicas",
        "distribution",
        "blocks",
        "naming",
        "weight_files",
        "pretrained",
        "downloads",
        "weights",
        "models",
        "complexity",
        "finetuning",
        "runs",
        "hosts",
        "strategies",
        "fake_photos",
        "bad_images",
        "decoding",
        "views",
        "color",
        "policies",
        "mixing",
        "augmentation",
        "examples",
        "batches",
        "folders",
        "records",
        "tfds_source",
        "data",
        "preparing",
        "evaluation",
        "recalibration",
        "checkpoints",
        "guards",
        "callbacks",
        "rehearsal",
        "fitting",
        "reports",
        "training",
        "inference",
    ]
    assert set(order) == set(MODULES)
    for position, module in enumerate(order):
        path = PACKAGE / f"{module}.py"
        assert set(_package_imports(path)) <= set(order[:position]), module
        assert "FLAGS" not in path.read_text(encoding="utf-8")
