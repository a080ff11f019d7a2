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
        lines = FILE.read_text(encoding="utf-8").splitlines()
        source[0] += "\n" + "\n".join(line for line in lines if not is_missing(line, app.srcdir))


def is_missing(line: str, root: pathlib.Path) -> bool:
    """Whether a line names a guide that this commit does not have."""
    return line.startswith("/docs/") and "reference" not in line and not (root / f"{line[1:]}.md").exists()
