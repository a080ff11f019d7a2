"""report.html: a run on one page."""

import html
import json
import logging
import string
from collections.abc import Sequence

from keras_resnet.files import write_atomically, write_text
from keras_resnet.reporting.plots import plot_curves
from keras_resnet.run_directory import Run

logger = logging.getLogger(__name__)

_PAGE = string.Template("""<!doctype html>
<html lang="en"><meta charset="utf-8"><title>$title</title>
<style>
body {font: 15px/1.5 system-ui, sans-serif; max-width: 62em; margin: 2em auto; padding: 0 1em}
table {border-collapse: collapse} td, th {padding: .15em .8em; text-align: right; border-bottom: 1px solid #ddd}
pre {background: #f5f5f5; padding: 1em; overflow-x: auto} img {max-width: 100%}
</style>
<h1>$title</h1>
<p><strong>$results</strong>
$curves
<h2>Epochs</h2>
<table><tr>$header</tr>
$rows
</table>
<h2>Settings</h2>
<pre>$description</pre>
</html>
""")


def write_report(run: Run, results: Sequence[str]) -> None:
    """Writes curves.png and report.html. Without matplotlib it leaves the curves out, with a warning.

    Args:
        run: the run directory.
        results: sentences about the results, the first of the page.
    """
    rows, description = run.log(), run.read_json("recipe.json")
    epochs = description["recipe"]["epochs"]
    try:
        write_atomically(run.file("curves.png"), lambda scratch: plot_curves(rows, scratch, epochs))
        curves = '<img src="curves.png" alt="Loss, error and learning rate of each epoch">'
    except ImportError:
        logger.warning("Left out curves.png, which needs matplotlib (pip install 'resnet-keras[plots]').")
        curves = ""
    columns = list(rows[0]) if rows else []
    page = _PAGE.substitute(
        title=html.escape(f"{description['model']['name']} on {description['data']['name']}"),
        results="<br>".join(map(html.escape, results)),
        curves=curves,
        header="".join(f"<th>{html.escape(column.replace('_', ' '))}</th>" for column in columns),
        rows="\n".join(_row(row, columns) for row in rows),
        description=html.escape(json.dumps(description, indent=2)),
    )
    write_text(run.file("report.html"), page)


def _row(row, columns):
    counted_from_1 = {**row, "epoch": row["epoch"] + 1}
    return "<tr>" + "".join(f"<td>{counted_from_1[column]:.5g}</td>" for column in columns) + "</tr>"
