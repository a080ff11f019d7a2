"""Error messages: values in one line, suggestions for unknown names, and the first line of an error."""

import difflib
import reprlib
from collections.abc import Collection, Iterable

SUGGESTED, LISTED = 4, 12  # names to suggest, and to list if none is similar
LONGEST = 200  # characters of a name that is compared with others: the memory for it is 40 bytes for each


_shortened = reprlib.Repr()
_shortened.maxstring = _shortened.maxother = 100


def shown(value: object) -> str:
    """A value for an error message, in one line, shortened if it is long.

    Example:
        >>> from keras_resnet.errors import shown
        >>> len(shown("a" * 1000))
        100
    """
    try:
        return " ".join(_shortened.repr(value).split())
    except Exception:  # such as an int of more digits than Python prints
        return f"<{type(value).__name__}>"


def unknown_name(kind: str, name: object, known: Iterable) -> ValueError:
    """The error for a `name` that is not one of the `known` names of its `kind`, with suggestions.

    Example:
        >>> from keras_resnet.errors import unknown_name
        >>> print(unknown_name("recipe", "cifar_quik", ["cifar_he2015", "cifar_quick"]))
        Unknown recipe 'cifar_quik'; did you mean 'cifar_quick'?
    """
    known = list(known)
    names = [str(k) for k in known]
    text = str(name)
    longer = [k for k in names if text and k.startswith(text)]
    similar = longer[:SUGGESTED]
    if not similar and len(text) <= LONGEST:
        similar = difflib.get_close_matches(text, names, n=SUGGESTED, cutoff=0.6)
    if similar:
        return ValueError(f"Unknown {kind} {shown(name)}; did you mean {' or '.join(map(repr, similar))}?")
    listed = ", ".join(map(repr, known[:LISTED])) + (", ..." if len(known) > LISTED else "")
    return ValueError(f"Unknown {kind} {shown(name)}; available: {listed}.")


def check_name(kind: str, name: object, known: Collection) -> None:
    """Raises the error of `unknown_name` if a `name` of any type is not one of the `known`."""
    if not (name is None or isinstance(name, str | int)) or name not in known:
        raise unknown_name(kind, name, known)


# Prefixes of the lines that TensorFlow and OpenVINO put before the message, about the place of the error.
LOCATIONS = ("Graph execution error", "Detected at", " ", "\t", "Exception from ", "Check '")


def first_line(error: BaseException) -> str:
    r"""The first line of an error's message that says what is wrong, without a period; else the error's type.

    Example:
        >>> from keras_resnet.errors import first_line
        >>> first_line(ValueError("The file is truncated.\nTraceback ..."))
        'The file is truncated'
    """
    text = str(getattr(error, "message", None) or error).strip()
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith(LOCATIONS)]
    return lines[0].rstrip(".!") if lines else type(error).__name__
