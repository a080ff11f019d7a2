"""The role of a text between backquotes in a docstring: code, and a link if it is a name of the reference."""

from typing import Any

from sphinx.domains.python import PyXRefRole


def setup(app: Any) -> dict[str, bool]:
    """Connects this extension to Sphinx."""
    app.add_role_to_domain("py", "name", NameRole())
    return {"parallel_read_safe": True}


class NameRole(PyXRefRole):
    """Sphinx's own role without its marks: it shows `.keras` and `~/photos` without their first characters."""

    def process_link(self, env, refnode, has_explicit_title, title, target):
        _, target = super().process_link(env, refnode, has_explicit_title, title, target)
        return title, target
