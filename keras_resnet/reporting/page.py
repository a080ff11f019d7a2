"""Pages of one file: their frame, style and elements. They load nothing, run no script, and are light or dark."""

import base64
import hashlib
import html
import pathlib
import string
from collections.abc import Iterable, Sequence

from keras_resnet.reporting.style import COLORS

_FRAME = string.Template(pathlib.Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
DASHES = ("none", "6 3", "1.5 3", "6 2 1.5 2")  # of the `LINES` of all pictures
SHADES = 8  # of the cells of a confusion matrix
BLUE, ORANGE = COLORS[0], COLORS[1]
_STYLE = """
:root {
  color-scheme: light dark;
  --page: #ffffff; --card: #f6f7f9; --text: #1b1f24; --quiet: #57606a; --line: #d0d7de;
}
@media (prefers-color-scheme: dark) {
  :root { --page: #14171b; --card: #1e2228; --text: #e8eaed; --quiet: #a8b0ba; --line: #3a414a; }
}
* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 64rem; padding: 1rem; background: var(--page); color: var(--text);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere;
}
h1 { font-size: 1.5rem; margin: .5rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; padding-top: .5rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1rem 0 .25rem; }
p { margin: .5rem 0; }
.quiet { color: var(--quiet); }
.tiles, .charts, .mistakes { display: grid; gap: 1rem; padding: 0; margin: 1rem 0; }
.tiles { grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: .5rem; }
.tiles div { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .5rem .75rem; }
.tiles dt { color: var(--quiet); font-size: .875rem; }
.tiles dd { margin: 0; font-size: 1.15rem; font-variant-numeric: tabular-nums; }
.charts { grid-template-columns: repeat(auto-fit, minmax(min(100%, 22rem), 1fr)); }
.charts figure { max-width: 34rem; }
.mistakes { grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); }
figure { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .5rem; }
figcaption { font-weight: 600; }
.mistakes figcaption { font-weight: 400; font-size: .875rem; line-height: 1.35; }
.mistakes img { width: 100%; aspect-ratio: 1; object-fit: contain; display: block; margin-bottom: .35rem; }
.pixels { image-rendering: pixelated; }
svg { display: block; width: 100%; height: auto; }
svg text { fill: var(--text); font: 11px system-ui, sans-serif; }
.grid { stroke: var(--line); stroke-width: 1; }
polyline, circle, .key line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
circle { stroke-dasharray: none !important; }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; list-style: none; margin: .25rem 0 0; padding: 0; }
.legend li { display: flex; align-items: center; gap: .4rem; font-size: .875rem; }
.key { width: 28px; flex: none; }
.wide { overflow-x: auto; max-width: 100%; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
th, td { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--line); vertical-align: top; }
th:first-child, .text td, .text th { text-align: left; }
.text td { overflow-wrap: anywhere; min-width: 5rem; }
.text td:last-child { min-width: 11rem; }
thead th { color: var(--quiet); font-weight: 600; vertical-align: bottom; }
tbody th { font-weight: 400; }
@media (max-width: 40rem) { /* the third column below the others */
  .explained thead { display: none; }
  .explained tr { display: grid; grid-template-columns: 1fr auto; border-bottom: 1px solid var(--line); }
  .explained th, .explained td { border: 0; }
  .explained td:nth-child(2) { text-align: right; }
  .explained td:nth-child(3) { grid-column: 1 / -1; color: var(--quiet); padding-top: 0; }
}
.matrix { font-size: .8rem; }
.matrix th, .matrix td { padding: .15rem .3rem; }
.matrix td { min-width: 2.1rem; border: 1px solid var(--page); }
.matrix thead th + th { writing-mode: vertical-rl; transform: rotate(180deg); text-align: left; }
@media (max-width: 40rem) {
  th, td { padding: .2rem .4rem; }
  .matrix { font-size: .7rem; }
  .matrix th, .matrix td { padding: .15rem .1rem; }
  .matrix td { min-width: 1.55rem; }
}
details { margin: .5rem 0; }
summary { cursor: pointer; padding: .25rem 0; }
pre {
  background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .75rem; margin: .5rem 0;
  white-space: pre-wrap; font-size: .875rem;
}
"""


def _rules_of_colors() -> str:
    """The style of curves, by the numbers of their color and dashes, and of the cells of a confusion matrix."""
    light = "".join(f".c{number} {{ stroke: {color}; }}\n" for number, color in enumerate(COLORS))
    dark = "".join(f".c{number} {{ stroke: {_lighter(color)}; }}\n" for number, color in enumerate(COLORS))
    dashes = "".join(f".l{number} {{ stroke-dasharray: {dash}; }}\n" for number, dash in enumerate(DASHES))
    cells = "".join(
        f".{name}{shade} {{ background: {color}{round(255 * 0.8 * shade / SHADES):02x}; }}\n"
        for name, color in (("right", BLUE), ("wrong", ORANGE))
        for shade in range(1, SHADES + 1)
    )
    return f"{light}@media (prefers-color-scheme: dark) {{\n{dark}}}\n{dashes}{cells}"


def _lighter(color: str) -> str:
    """The color mixed with white, for a dark page."""
    return "#" + "".join(f"{(int(color[start : start + 2], 16) + 255) // 2:02x}" for start in (1, 3, 5))


STYLE = _STYLE + _rules_of_colors()
POLICY = "; ".join(
    [
        "default-src 'none'",
        f"style-src 'sha256-{base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()}'",
        "img-src data:",
        "base-uri 'none'",
        "form-action 'none'",
    ]
)


def page(title: str, body: str) -> str:
    """A page of one file.

    Args:
        title: plain text.
        body: HTML.

    Example:
        >>> from keras_resnet.reporting.page import page
        >>> "<h1>A &amp; B</h1>" in page("A & B", "<p>Hello.</p>")
        True
    """
    return _FRAME.substitute(title=html.escape(title), policy=POLICY, style=STYLE, body=body)


def section(title: str, *parts: str) -> str:
    r"""A section with a heading; "" if all its parts are empty.

    Example:
        >>> from keras_resnet.reporting.page import section
        >>> section("Curves", ""), section("Curves", "<p>one</p>")
        ('', '<h2>Curves</h2>\n<p>one</p>')
    """
    content = "\n".join(filter(None, parts))
    return f"<h2>{html.escape(title)}</h2>\n{content}" if content else ""


def details(summary: str, *parts: str) -> str:
    """Content that is folded until one opens it.

    Example:
        >>> from keras_resnet.reporting.page import details
        >>> details("More", "<p>one</p>")
        '<details><summary>More</summary><p>one</p></details>'
    """
    return f"<details><summary>{html.escape(summary)}</summary>{''.join(parts)}</details>"


def table(header: Sequence[object], rows: Iterable[Sequence[object]], kind: str = "") -> str:
    r"""A table whose first column names the rows. It scrolls by itself where it is wider than the page.

    Args:
        header: titles of the columns; empty for none.
        rows: cells.
        kind: "text" for columns of text rather than numbers, "text explained" for a name, a value, and what it means.

    Example:
        >>> from keras_resnet.reporting.page import table
        >>> "<tr><th scope=\"row\">cat</th><td>7</td></tr>" in table(["class", "images"], [["cat", 7]])
        True
    """
    cells = [
        f'<tr><th scope="row">{html.escape(str(first))}</th>{"".join(f"<td>{_cell(cell)}</td>" for cell in rest)}</tr>'
        for first, *rest in rows
    ]
    return framed_table(header, cells, kind)


def framed_table(header: Sequence[object], rows: Iterable[str], kind: str = "") -> str:
    """As `table`, from rows of HTML."""
    titles = "".join(f'<th scope="col">{html.escape(str(title))}</th>' for title in header)
    head = f"<thead><tr>{titles}</tr></thead>" if header else ""
    body = "\n".join(rows)
    return f'<div class="wide"><table class="{kind}">{head}<tbody>\n{body}\n</tbody></table></div>'


def _cell(value: object) -> str:
    return html.escape(str(value))


def tiles(values: Iterable[tuple[str, str]]) -> str:
    """The main numbers, each with its name.

    Example:
        >>> from keras_resnet.reporting.page import tiles
        >>> tiles([("Epochs", "3 of 5")])
        '<dl class="tiles"><div><dt>Epochs</dt><dd>3 of 5</dd></div></dl>'
    """
    parts = (f"<div><dt>{html.escape(name)}</dt><dd>{html.escape(value)}</dd></div>" for name, value in values)
    return f'<dl class="tiles">{"".join(parts)}</dl>'


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; "" if it is empty."""
    return f'<p class="{kind}">{html.escape(text)}</p>' if text else ""


def code(text: str) -> str:
    """A command or a program."""
    return f"<pre>{html.escape(text)}</pre>"
