"""The confusion matrix and the mistakes of cases by hand."""

import numpy as np

from keras_resnet.evaluation.confusion import column_names, confusion_matrix, most_confused
from keras_resnet.evaluation.mistakes import Mistake, worst_mistakes
from tests.evaluation.said import said

# Six images of three classes: the class, and what the model says.
LABELS = [0, 0, 1, 1, 2, 2]
SAYS = [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.0, 0.1, 0.9], [0.1, 0.5, 0.4], [0.0, 0.55, 0.45]]


def test_the_matrix_has_a_row_for_each_class_and_a_column_for_each_prediction():
    matrix = confusion_matrix(said(SAYS, LABELS))
    assert matrix.tolist() == [[1, 1, 0], [0, 1, 1], [0, 2, 0]]
    names = ["ant", "bee", "cat"]
    assert most_confused(matrix, names) == [("cat", "bee", 2, 2), ("ant", "bee", 1, 2), ("bee", "cat", 1, 2)]
    assert most_confused(matrix, names, 1) == [("cat", "bee", 2, 2)]
    assert most_confused(np.eye(3, dtype=int), names) == []


def test_classes_of_the_model_that_the_data_lack_share_the_last_column():
    """The data's classes are the model's outputs 3 and 1."""
    says = [[0.0, 0.1, 0.0, 0.9], [0.7, 0.1, 0.1, 0.1], [0.1, 0.1, 0.6, 0.2], [0.0, 0.9, 0.1, 0.0]]
    predicted = said(says, [0, 0, 1, 1], outputs=[3, 1], names=("eel", "bee", "dog", "ant"))
    matrix = confusion_matrix(predicted)
    assert matrix.tolist() == [[1, 0, 1], [0, 1, 1]]
    columns = column_names(matrix, ["ant", "bee"])
    assert most_confused(matrix, columns) == [("ant", "(other)", 1, 2), ("bee", "(other)", 1, 2)]
    assert [(mistake.label, mistake.prediction) for mistake in worst_mistakes(predicted)] == [
        ("ant", "eel"),
        ("bee", "dog"),
    ]


def test_mistakes_are_ordered_by_the_probability_of_the_wrong_class():
    mistakes = worst_mistakes(said(SAYS, LABELS, names=("ant", "bee", "cat")))
    assert mistakes == [
        Mistake(3, "bee", "cat", 0.9, 0.1),
        Mistake(1, "ant", "bee", 0.7, 0.2),
        Mistake(5, "cat", "bee", 0.55, 0.45),
        Mistake(4, "cat", "bee", 0.5, 0.4),
    ]
    assert worst_mistakes(said(SAYS, LABELS), 1)[0].position == 3
    assert worst_mistakes(said(np.eye(3), [0, 1, 2])) == []
