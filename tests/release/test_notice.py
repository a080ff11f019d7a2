"""NOTICE.md names the license of all that the package contains or downloads."""

import re

import pytest

from keras_resnet.weights.pretrained import find_weights, list_weights, variant_of
from tests.conftest import REPOSITORY

NOTICE = (REPOSITORY / "NOTICE.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `?([^`|]+?)`? \| (.+?) \|", NOTICE, re.MULTILINE))  # second cells by the first
WEIGHTS = [find_weights(variant_of(name), name) for name in list_weights()]
PUBLISHERS = {"timm": "timm", "torchvision": "torchvision", "keras": "keras.applications"}


@pytest.mark.parametrize("row", [row for row in WEIGHTS if row.packaged], ids=lambda row: row.id)
def test_each_packaged_weight_has_its_license(row):
    assert ROWS[row.id].lower() == row.licence


@pytest.mark.parametrize("publisher", PUBLISHERS)
def test_each_publisher_has_the_licenses_of_its_weights(publisher):
    stated = {row.licence for row in WEIGHTS if row.id.startswith(f"{publisher}/")}
    listed = ROWS[PUBLISHERS[publisher]].lower()
    assert stated
    assert all((licence or "states none") in listed for licence in stated)


@pytest.mark.parametrize(
    "path", sorted((REPOSITORY / "keras_resnet/class_names").glob("*.txt")), ids=lambda path: path.stem
)
def test_each_list_of_class_names_has_its_source(path):
    assert str(path.relative_to(REPOSITORY)) in ROWS
