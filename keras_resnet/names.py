"""The error for a name that does not exist: one sentence that lists the near ones."""

import difflib
from collections.abc import Iterable

NEAR, MANY = 4, 12  # names that a sentence proposes, and that it lists where none is near


def unknown_name(kind: str, name, known: Iterable) -> ValueError:
    """The error to raise for `name`, which is none of the `known` names of that `kind`.

    Example:
        >>> from keras_resnet.names import unknown_name
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
