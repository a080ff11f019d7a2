"""`keras-resnet list --weights` and `--recipes`, against the tables of both; docs/models.md has what it prints."""

import json
import re

import pytest

import keras_resnet
from keras_resnet.commands.list_models import COLUMNS, _published, _summary
from keras_resnet.recipes import RECIPES
from tests.commands.running import keras_resnet_command
from tests.conftest import REPOSITORY

WEIGHTS = REPOSITORY / "keras_resnet" / "weights"
TABLE, PACKAGED = (
    json.loads((WEIGHTS / f"{name}.json").read_text(encoding="utf-8")) for name in ("pretrained", "packaged")
)


@pytest.fixture
def listed(monkeypatch):
    """A function that runs the command and returns the cells of its rows."""

    def run(*arguments):
        code, stdout, stderr = keras_resnet_command(monkeypatch, "list", *arguments)
        assert (code, stderr) == (0, "")
        header, rule, *rows = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in stdout.splitlines()]
        assert header == [
            *("weights", "licence", "test size", "crop", "published top-1, %", "published top-5, %", "measured here"),
        ]
        assert rule == ["|---|---|---|---|---|---|---|"]
        return rows

    return run


def test_a_row_has_what_the_table_says(listed):
    (row,) = listed("resnet50", "--weights", "--licence=bsd-3-clause", "--image_size=224", "--min_top1=80")
    published = TABLE["timm/resnet50.tv2_in1k"]
    size, crop = published["input_size"], f"{published['crop_fraction']:g}, {published['interpolation']}"
    accuracies = [f"{published[name]:.3f}" for name in ("top1", "top5")]
    assert row == ["`timm/resnet50.tv2_in1k`", "bsd-3-clause", f"{size} x {size}", crop, *accuracies, ""]


def test_what_is_measured_here_is_apart_from_what_is_published(listed):
    row, _ = listed("resnet20_cifar", "--weights")
    correct = PACKAGED["keras_resnet/resnet20_cifar.cifar10"]["training"]["correct"]
    measured = f"{correct // 1000},{correct % 1000:03} of 10,000 ({correct / 100:.2f}%)"
    assert row[:4] == ["`keras_resnet/resnet20_cifar.cifar10`", "apache-2.0", "32 x 32", "1, bilinear"]
    assert row[4:] == ["", "", measured]


def test_filters(listed):
    assert {row[0] for row in listed("--weights")} == {f"`{name}`" for name in [*TABLE, *PACKAGED]}
    forbidding = [f"`{name}`" for name, row in TABLE.items() if "-nc-" in (row.get("licence") or "")]
    assert [row[0] for row in listed("--weights", "--nocommercial")] == forbidding
    assert {row[1] for row in listed("resnet18", "--weights")} == {
        *("apache-2.0", "cc-by-nc-4.0", "bsd-3-clause", "not stated")
    }


def test_recipes_of_a_pattern(monkeypatch):
    code, stdout, stderr = keras_resnet_command(monkeypatch, "list", "--recipes", "*_quick")
    assert (code, stderr) == (0, "")
    header, _, *rows = stdout.splitlines()
    assert header == "| recipe | epochs | batch size | images | source | published | measured here |"
    names = [row.split("`")[1] for row in rows]
    assert names == [name for name in RECIPES if name.endswith("_quick")]
    for name, row in zip(names, rows, strict=True):
        assert RECIPES[name].source in row


def test_page_of_models_has_the_published_weights_of_each_variant():
    page = (REPOSITORY / "docs" / "models.md").read_text(encoding="utf-8")
    cells = [[cell.strip() for cell in line.split("|")[1:-1]] for line in re.findall(r"^\| `.*", page, re.MULTILINE)]
    shown = {row[0].strip("`"): row[5] for row in cells if len(row) == len(COLUMNS)}
    assert shown == {name: _summary(_published(name)) for name in keras_resnet.list_models()}
