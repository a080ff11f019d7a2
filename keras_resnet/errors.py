"""Error messages: unknown names with their nearest, and the line of an error that says what is wrong."""

import difflib
from collections.abc import Iterable

NEAR, MANY = 4, 12  # names that a sentence proposes, and that it lists where none is near


def unknown_name(kind: str, name, known: Iterable) -> ValueError:
    """The error to raise for `name`, which is none of the `known` names of that `kind`.

    Example:
        >>> from keras_resnet.errors import unknown_name
        >>> print(unknown_name("recipe", "cifar_quik", ["cifar_he2015", "cifar_quick"]))
        Unknown recipe 'cifar_quik'; did you mean 'cifar_quick'?
    """
    known = list(known)
    longer = [k for k in map(str, known) if name and k.startswith(str(name))]
    near = longer[:NEAR] or difflib.get_close_matches(str(name), [str(k) for k in known], n=NEAR, cutoff=0.6)
    if near:
        return ValueError(f"Unknown {kind} {name!r}; did you mean {' or '.join(map(repr, near))}?")
    listed = ", ".join(map(repr, known[:MANY])) + (", ..." if len(known) > MANY else "")
    return ValueError(f"Unknown {kind} {name!r}; there are {listed}.")


# How the lines begin that TensorFlow puts before the message: where in the graph the error arose.
GRAPH_LOCATION = ("Graph execution error", "Detected at", " ", "\t")


def first_line(error: BaseException) -> str:
    """The first line of an error's message that says what is wrong, without a full stop; else the error's type.

    Example:
        >>> from keras_resnet.errors import first_line
        >>> first_line(ValueError("The file is truncated.\\nTraceback ..."))
        'The file is truncated'
    """
    text = str(getattr(error, "message", None) or error).strip()
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(GRAPH_LOCATION)]
    return lines[0].rstrip(".") if lines else type(error).__name__
