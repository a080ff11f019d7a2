"""Writes the pages of the API reference into docs/reference/, before Sphinx reads them.

Autodoc adds signatures and docstrings. Tables of recipes, settings, and constructors come from the package.
"""

import dataclasses
import importlib
import inspect
import pathlib
import re
import shutil
from collections.abc import Iterable, Iterator
from typing import Any

import keras_resnet
from keras_resnet.models.constructors import CONSTRUCTORS, constructor_name
from keras_resnet.recipes import RECIPES, Recipe, setting_fields, setting_groups
from keras_resnet.variants import VARIANTS

FOLDER = pathlib.Path(__file__).parents[1] / "reference"
PAGES = {  # title: names in `keras_resnet`, or in one of its modules
    "Models": (
        "create_model",
        "list_models",
        "ResNet",
        "Model",
        "load_model",
        "freeze",
        "multiply_adds",
        "View",
        "preprocess_input",
        "decode_predictions",
        "preprocessing.imagenet_classes",
    ),
    "Constructors": ("VARIANTS",),
    "Layers": ("layers",),
    "Weights": (
        "load_weights",
        "find_weights",
        "list_weights",
        "weights.PretrainedWeights",
        "weights.packaging.write_weights",
    ),
    "Data": ("load_data", "Data", "prepare_records"),
    "Recipes": ("get_recipe", "Recipe", "RECIPES"),
    "Training": ("train", "dry_run", "distributed.strategies.multi_worker"),
    "Evaluation and prediction": (
        "predict",
        "runtimes.Prediction",
        "evaluate",
        "evaluation.Result",
        "recalibrate_batchnorm",
    ),
    "Exporting": ("export", "fold_batchnorm"),
}


def setup(app: Any) -> dict[str, bool]:
    """Connects this extension to Sphinx."""
    app.connect("builder-inited", lambda _: write_pages(FOLDER))
    return {"parallel_read_safe": True}


def write_pages(folder: pathlib.Path) -> None:
    """Writes all pages into a folder of their own.

    Raises:
        ValueError: a public name is on no page.
    """
    named = {name for names in PAGES.values() for name in names}
    missing = sorted(set(keras_resnet.__all__) - set(CONSTRUCTORS) - named)
    if missing:
        raise ValueError(f"PAGES of {pathlib.Path(__file__).name} lacks {', '.join(missing)}.")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for title, names in PAGES.items():
        write(folder / f"{slug(title)}.rst", title, *map(entry, names))
    write(folder / "index.rst", "API reference", *index())


def write(path: pathlib.Path, title: str, *paragraphs: str) -> None:
    """Writes a page."""
    path.write_text("\n\n".join([f"{title}\n{'=' * len(title)}", *paragraphs]) + "\n", encoding="utf-8")


def slug(title: str) -> str:
    """The name of a page's file: the first word of its title."""
    return title.split()[0].lower()


def index() -> tuple[str, str]:
    """A table of the names on each page, and the order of the pages."""
    rows = [
        (f":doc:`{slug(title)}`", ", ".join(f":py:obj:`~keras_resnet.{name}`" for name in names))
        for title, names in PAGES.items()
    ]
    return table(("page", "names"), *rows), directive("toctree", "", ":hidden:", "", *map(slug, PAGES))


def entry(name: str) -> str:
    """The reference of a name."""
    full_name = f"keras_resnet.{name}"
    if name in CONTENTS:
        return CONTENTS[name](full_name)
    module, _, attribute = full_name.rpartition(".")
    public = getattr(importlib.import_module(module), attribute)
    if inspect.isfunction(public):
        return directive("autofunction", full_name)
    return directive("automodule" if inspect.ismodule(public) else "autoclass", full_name, ":members:")


def directive(kind: str, argument: str, *lines: str) -> str:
    """A directive of reStructuredText, with the lines of its options and its content."""
    indented = (f"   {line}".rstrip() for text in lines for line in text.split("\n"))
    return "\n".join([f".. {kind}:: {argument}".rstrip(), *indented])


def table(*rows: Iterable[str]) -> str:
    """A table whose first row is its header."""
    cells = [f"{'  ' if column else '* '}- {cell}" for row in rows for column, cell in enumerate(row)]
    return directive("list-table", "", ":header-rows: 1", "", *cells)


def plain(text: str) -> str:
    """A text in which reStructuredText sees no markup."""
    return re.sub(r"([*`|_\\])", r"\\\1", text)


def variants(full_name: str) -> str:
    """The reference of `VARIANTS`, and of the constructor of each of them."""
    _, shared = str(inspect.getdoc(keras_resnet.ResNet50)).split("\n\n", 1)
    data = directive("py:data", full_name, "", "The settings of each variant, by name.")
    return "\n\n".join(
        [
            data,
            "Each constructor is `keras_resnet.ResNet` with the settings of its variant.",
            shared,
            *map(constructor, VARIANTS),
        ]
    )


def constructor(variant: str) -> str:
    """The reference of a constructor: the settings of its variant."""
    settings = ", ".join(f"{name}={value!r}" for name, value in VARIANTS[variant].items())
    return directive(
        "py:function", f"keras_resnet.{constructor_name(variant)}(...)", "", f"``{variant}``: ``{settings}``"
    )


def recipes(full_name: str) -> str:
    """The reference of `RECIPES`, with a table."""
    rows = [(f"``{name}``", " ".join(recipe_lines(recipe))) for name, recipe in RECIPES.items()]
    return directive(
        "py:data", full_name, "", "The recipes, by name.", "", table(("recipe", "source, accuracy"), *rows)
    )


def recipe_lines(recipe: Recipe) -> Iterator[str]:
    """The source of a recipe, and its accuracies."""
    for label, text in (("", recipe.source), ("Published: ", recipe.published), ("Measured here: ", recipe.measured)):
        if text:
            yield f"{label}{plain(text)}."


def recipe_class(full_name: str) -> str:
    """The reference of `Recipe`, with a table of the settings of each group."""
    groups = setting_groups()
    lines = [":members:"]
    for group in dict.fromkeys(groups.values()):
        rows = [setting_row(field) for field in setting_fields() if groups[field.name] == group]
        lines += ["", f".. rubric:: {group.capitalize()}", "", table(("setting", "default", "meaning"), *rows)]
    return directive("autoclass", f"{full_name}(**settings)", *lines)


def setting_row(field: dataclasses.Field) -> tuple[str, ...]:
    """A setting, its default, and its meaning: its help text, need, type, and rules."""
    kind = field.type.__name__ if isinstance(field.type, type) else "numbers"
    rules = [re.sub("^must (not )?be ", r"\1", rule.text) for rule in field.metadata["rules"]]
    need = field.metadata["needs"]
    needs = [f"``{need.setting}`` {need.rule.text}."] if need else []
    meaning = [plain(field.metadata["help"]), *needs, f"*{', '.join([kind, *rules])}*"]
    return f"``{field.name}``", f"``{field.default!r}``", " ".join(meaning)


CONTENTS = {"VARIANTS": variants, "RECIPES": recipes, "Recipe": recipe_class}  # what autodoc cannot write
