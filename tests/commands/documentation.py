"""The commands and Python examples of the documentation."""

import re
from typing import NamedTuple

from tests.conftest import REPOSITORY

PAGES = [
    REPOSITORY / "README.md",
    *sorted((REPOSITORY / "docs").glob("*.md")),
    REPOSITORY / "CONTRIBUTING.md",
    REPOSITORY / "benchmarks/README.md",
]
FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)((?: {4}.*\n)+)")
INLINE = re.compile(r"`(keras-resnet [^`\n]* --[^`\n]*)`")


class Block(NamedTuple):
    """A block of code: its page, its number there, and its text."""

    page: str
    number: int
    text: str

    @property
    def name(self) -> str:
        return f"{self.page}-{self.number}"

    @property
    def lines(self) -> list[str]:
        """The commands of a block of shell code; a backslash continues a line."""
        return [line.strip() for line in self.text.replace("\\\n", " ").splitlines() if line.strip()]


def blocks(language: str) -> list[Block]:
    """The blocks of a language, "python" or "shell", in all pages."""
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        codes = [(language or "shell", code) for language, code in FENCED.findall(text)]
        codes += [("shell", code) for code in INDENTED.findall(FENCED.sub("", text))]
        name = str(page.relative_to(REPOSITORY))
        found += [Block(name, number, code) for number, (kind, code) in enumerate(codes, 1) if kind == language]
    return found


def inline_commands() -> list[str]:
    """The commands with flags that stand in sentences and tables of all pages."""
    return [command for page in PAGES for command in INLINE.findall(FENCED.sub("", page.read_text(encoding="utf-8")))]
