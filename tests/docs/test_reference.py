"""The reference of the documentation site: it has every public name and every setting."""

import pathlib
import re

import pytest

import keras_resnet
from keras_resnet.models.constructors import CONSTRUCTORS
from keras_resnet.recipes import setting_fields
from tests.conftest import REPOSITORY


@pytest.fixture
def reference(monkeypatch):
    """The extension that writes the reference."""
    monkeypatch.syspath_prepend(REPOSITORY / "docs" / "site")
    import reference

    return reference


@pytest.fixture
def pages(reference, tmp_path):
    """The text of each page of the reference, by its name."""
    reference.write_pages(tmp_path / "reference")
    return {path.stem: path.read_text() for path in (tmp_path / "reference").iterdir()}


def test_every_public_name_is_in_the_reference(pages):
    documented = re.findall(r"^\.\. (?:auto|py:)\w+:: keras_resnet\.([\w.]+)", "\n".join(pages.values()), re.MULTILINE)
    assert len(documented) == len(set(documented))
    assert {name for name in documented if "." not in name} == set(keras_resnet.__all__)


def test_the_index_names_everything_but_the_constructors_and_leads_to_each_page(pages):
    named = set(re.findall(r"`~keras_resnet\.([\w.]+)`", pages["index"]))
    assert named >= set(keras_resnet.__all__) - set(CONSTRUCTORS)
    assert set(re.findall(r"^   (\w+)$", pages["index"], re.MULTILINE)) == set(pages) - {"index"}


def test_every_setting_of_a_recipe_is_explained(pages, reference):
    for field in setting_fields():
        cells = field.name, repr(field.default), reference.plain(field.metadata["help"])
        assert re.search(r"\* - ``{}``\s+- ``{}``\s+- {}".format(*map(re.escape, cells)), pages["recipes"]), field.name


def test_a_setting_shows_its_type_rules_and_need(reference):
    [nesterov, milestones] = [field for field in setting_fields() if field.name in ("nesterov", "milestones")]
    assert reference.setting_row(nesterov)[-1].endswith("``momentum`` must be above 0. *bool*")
    assert reference.setting_row(milestones)[-1].endswith("*numbers, increasing numbers between 0 and 1*")


def test_a_public_name_on_no_page_is_an_error(reference, monkeypatch, tmp_path):
    monkeypatch.delitem(reference.PAGES, "Exporting")
    with pytest.raises(ValueError, match="lacks export, fold_batchnorm"):
        reference.write_pages(tmp_path / "reference")


def test_a_page_that_nothing_writes_any_more_is_removed(reference, tmp_path):
    folder = tmp_path / "reference"
    folder.mkdir()
    (folder / "old.rst").touch()
    reference.write_pages(folder)
    assert not (folder / "old.rst").exists()


def test_the_navigation_names_each_guide_once():
    navigation = (REPOSITORY / "docs" / "site" / "navigation.md").read_text()
    named = re.findall(r"^/docs/([\w-]+)$", navigation, re.MULTILINE)
    guides = {path.stem for path in pathlib.Path(REPOSITORY / "docs").glob("*.md")} - {"README"}
    assert len(named) == len(set(named))
    assert set(named) >= guides
