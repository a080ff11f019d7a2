"""What the final evaluation of a run found, as sections of its page."""

import base64
import dataclasses
import html
import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from keras_resnet.reporting.page import SHADES, details, framed_table, paragraph, section, table

LEGIBLE = 20  # classes up to which each cell of a confusion matrix has its number
LISTED = 20  # pairs of classes, or classes, in a list
THUMBNAIL = 160  # pixels of the long side of a picture
SMALL = 64  # pixels up to which a picture keeps its pixels sharp


Pair = tuple[str, str, int, int]  # a class, what it is taken for, the number of these images, and of all of the class


class MistakePicture(NamedTuple):
    """An image that the model classifies wrong.

    Attributes:
        image: as the model sees it, uint8 (height, width, channels).
        name: of the image.
        label: its class.
        prediction: the most probable class to the model.
        probability: of the prediction, 0 to 1.
    """

    image: np.ndarray
    name: str
    label: str
    prediction: str
    probability: float


@dataclasses.dataclass(frozen=True, eq=False)
class Findings:
    """What the final evaluation of a run found.

    Attributes:
        sentences: the results in words.
        results: the same as numbers, as result.json has them: first that of the final weights by the recipe's protocol.
        matrix: the confusion matrix of the final weights, int (classes, columns).
        columns: the names of its columns; the first ones are those of its rows.
        confused: pairs of different classes, the most frequent first.
        mistakes: the most confident mistakes of the final weights.
    """

    sentences: Sequence[str]
    results: Sequence[Mapping[str, Any]]
    matrix: np.ndarray
    columns: Sequence[str]
    confused: Sequence[Pair]
    mistakes: Sequence[MistakePicture]


def findings_sections(findings: Findings) -> str:
    """The sections of the page: accuracy by protocol and class, confusion matrix, mistakes.

    Args:
        findings: of a run.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.reporting.findings import Findings, findings_sections
        >>> result = dict(split="test", images=2, top1_accuracy=0.5, top5_accuracy=None, protocol="center", classes=[])
        >>> found = Findings(["test accuracy 0.5"], [result], np.eye(2, dtype=int), ["cat", "dog"], [], [])
        >>> "50.00 %" in findings_sections(found)
        True
    """
    return "\n".join(
        [
            section("Accuracy", _protocols(findings.results), _classes(findings.results)),
            section("Confusion matrix", _confusion(findings)),
            section("Most confident mistakes", _mistakes(findings.mistakes)),
        ]
    )


def _protocols(results: Sequence[Mapping[str, Any]]) -> str:
    header = ("images", "top-1 accuracy", "top-5 accuracy", "protocol")
    rows = [
        (
            f"{result['images']:,} {result['split']}",
            percent(result["top1_accuracy"]),
            percent(result["top5_accuracy"]),
            result["protocol"],
        )
        for result in results
    ]
    return table(header, rows, "text")


def percent(fraction: float | None) -> str:
    """A fraction as a percentage, "-" for None.

    Example:
        >>> from keras_resnet.reporting.findings import percent
        >>> percent(0.9181)
        '91.81 %'
    """
    return "-" if fraction is None else f"{100 * fraction:.2f} %"


def _classes(results: Sequence[Mapping[str, Any]]) -> str:
    """The accuracy of each class, the lowest first; beyond `LISTED` classes, the others are folded."""
    classes = results[0]["classes"]
    rows = [
        (row["class"], f"{row['images']:,}", f"{row['correct']:,}", percent(row["correct"] / row["images"]))
        for row in sorted(classes, key=lambda row: row["correct"] / max(1, row["images"]))
        if row["images"]
    ]
    if not rows:
        return ""
    header = ("class", "images", "right", "accuracy")
    rest = rows[LISTED:]
    return "\n".join(
        [
            "<h3>By class, the lowest accuracy first</h3>",
            table(header, rows[:LISTED]),
            details(f"{len(rest)} more classes", table(header, rest)) if rest else "",
        ]
    )


def _confusion(findings: Findings) -> str:
    """The matrix, or for many classes the pairs that are confused most often."""
    classes = len(findings.matrix)
    if not findings.confused:
        return paragraph("No image is classified wrong.")
    if classes <= LEGIBLE:
        text = "Numbers of images. Each row is a class; each column is what the model says. Right answers are blue."
        return paragraph(text, "quiet") + _matrix(findings.matrix, findings.columns)
    rows = [(label, said, f"{images:,} of {of:,}") for label, said, images, of in findings.confused[:LISTED]]
    text = f"The {len(rows)} most frequent confusions of {classes:,} classes."
    return paragraph(text, "quiet") + table(("class", "taken for", "images"), rows, "text")


def _matrix(matrix: np.ndarray, columns: Sequence[str]) -> str:
    most = wrong(matrix).max()
    rows = []
    for label, counts in enumerate(matrix):
        cells = [
            _matrix_cell(count, "right", count / max(1, counts.sum()))
            if said == label
            else _matrix_cell(count, "wrong", count / most)
            for said, count in enumerate(counts)
        ]
        rows.append(f'<tr><th scope="row">{html.escape(columns[label])}</th>{"".join(cells)}</tr>')
    return framed_table(("", *columns), rows, "matrix")


def wrong(matrix: np.ndarray) -> np.ndarray:
    """A confusion matrix without the right answers.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.reporting.findings import wrong
        >>> wrong(np.array([[5, 1], [2, 7]])).tolist()
        [[0, 1], [2, 0]]
    """
    others = matrix.copy()
    np.fill_diagonal(others, 0)
    return others


def _matrix_cell(count: int, name: str, share: float) -> str:
    return f'<td class="{name}{int(np.ceil(SHADES * share))}">{count}</td>' if count else "<td></td>"


def _mistakes(mistakes: Sequence[MistakePicture]) -> str:
    figures = [
        f'<figure><img class="{"pixels" if max(mistake.image.shape[:2]) <= SMALL else ""}" '
        f'alt="{html.escape(mistake.name)}" src="{_data_address(mistake.image)}"><figcaption>'
        f"{html.escape(mistake.label)}, taken for <strong>{html.escape(mistake.prediction)}</strong> "
        f'with {percent(mistake.probability)}<br><span class="quiet">{html.escape(mistake.name)}</span>'
        "</figcaption></figure>"
        for mistake in mistakes
    ]
    return f'<div class="mistakes">{"".join(figures)}</div>' if figures else ""


def _data_address(image: np.ndarray) -> str:
    """A picture as an address that holds it: PNG if it is small, else a JPEG thumbnail."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image[..., :3])
    kind = "PNG" if max(picture.size) <= SMALL else "JPEG"
    picture.thumbnail((THUMBNAIL, THUMBNAIL))
    content = io.BytesIO()
    picture.save(content, kind)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(content.getvalue()).decode()}"
