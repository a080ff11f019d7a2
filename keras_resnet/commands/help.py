"""The text of `--help`."""

import shutil
import sys
import textwrap
from typing import Any

from absl import flags

from keras_resnet.commands.flags import GROUPS
from keras_resnet.commands.table import Command

COLUMN = 26  # where help texts start


def help_text(program: str, command: Command) -> str:
    """Usage, summary, and the flags by group, with their defaults.

    Args:
        program: as the user called it.
        command: the command, whose flags are defined.
    """
    lines = [usage(program, command), "", command.summary, f"Defaults are in brackets{_of_recipe()}."]
    for group, members in _by_group().items():
        lines += ["", f"{group}:", *(line for flag in members for line in _describe(flag))]
    return "\n".join(lines)


def _of_recipe() -> str:
    """What to say about the defaults of a recipe's settings, if they are flags."""
    has_settings = {"recipe", "learning_rate"} <= set(flags.FLAGS)
    return f"; they are those of the recipe {flags.FLAGS.recipe}" if has_settings else ""


def usage(program: str, command: Command) -> str:
    """The line that shows how to call a command.

    Example:
        >>> from keras_resnet.commands.help import usage
        >>> from keras_resnet.commands.table import COMMANDS
        >>> usage("keras-resnet prepare", COMMANDS["prepare"])
        'usage: keras-resnet prepare [flags] PHOTOS RECORDS'
    """
    return f"usage: {program} [flags] {command.arguments}".rstrip()


def _by_group() -> dict[str, list[flags.Flag]]:
    """The flags of each group, in the order of their definition."""
    grouped = flags.FLAGS.key_flags_by_module_dict()
    group_of = {flag.name: group for group in GROUPS for flag in grouped.get(group, ())}
    own = {flag.name for flag in flags.FLAGS.get_key_flags_for_module(sys.argv[0])}
    members: dict[str, list[flags.Flag]] = {group: [] for group in GROUPS}
    for name in flags.FLAGS:
        if name in own:
            members[group_of.get(name, GROUPS[-1])].append(flags.FLAGS[name])
    return {group: found for group, found in members.items() if found}


def _describe(flag: flags.Flag) -> list[str]:
    """A flag with its values, help and default, in lines that fit the terminal."""
    width = min(shutil.get_terminal_size().columns, 120)
    left = f"  --{_values(flag)}"
    text = flag.help.partition(">: ")[2] if _choices(flag) else flag.help  # absl puts the choices before the help
    default = _default(flag.default)
    wrapped = textwrap.wrap(f"{text} [{default}]" if default else text, max(width - COLUMN, 20))
    if len(left) < COLUMN - 1:
        left, wrapped = f"{left:{COLUMN}}{wrapped[0]}", wrapped[1:]
    return [left, *(" " * COLUMN + line for line in wrapped)]


def _values(flag: flags.Flag) -> str:
    """A flag's name and possible values: "epochs=NUMBER", "schedule=steps|cosine", "[no]flip"."""
    if flag.boolean:
        return f"[no]{flag.name}"
    kinds = {"float": "NUMBER", "int": "INTEGER", "string": "TEXT"}
    kind = "|".join(_choices(flag)) or kinds.get(flag.flag_type(), "A,B,...")
    return f"{flag.name}={kind}"


def _choices(flag: flags.Flag) -> list[str]:
    return getattr(flag.parser, "enum_values", [])


def _default(value: Any) -> str:
    """A default as one would type it.

    Example:
        >>> from keras_resnet.commands.help import _default
        >>> _default(True), _default((1 / 3, 2 / 3)), _default(0.1)
        ('yes', '0.333333,0.666667', '0.1')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return ",".join(map(_default, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)
