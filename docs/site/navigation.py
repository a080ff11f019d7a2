"""Appends the navigation, which code hosts cannot show, to the site's front page."""

import pathlib
from typing import Any

FILE = pathlib.Path(__file__).with_suffix(".md")


def setup(app: Any) -> dict[str, bool]:
    """Connects this extension to Sphinx."""
    app.connect("source-read", append_navigation)
    return {"parallel_read_safe": True}


def append_navigation(app: Any, page: str, source: list[str]) -> None:
    """Appends navigation.md to the text of the front page."""
    if page == app.config.root_doc:
        source[0] += "\n" + FILE.read_text(encoding="utf-8")
