"""Compares runs on one page."""

import pathlib

from absl import flags

from keras_resnet.commands.flags import FLAGS, group, refuse


def define_flags() -> None:
    """Defines the flags of the command."""
    with group("run"):
        flags.DEFINE_string("output", "compare.html", "HTML file to write.")


def check_flags() -> None:
    """Refuses an empty name of a file."""
    refuse([(not FLAGS.output.strip(), "--output is empty; name an HTML file.")])


def main(argv: list[str]) -> None:
    """Writes the page, and prints the accuracies."""
    from keras_resnet.reporting.comparison import accuracy_of, write_comparison

    for run in write_comparison(argv[1:], FLAGS.output):
        done = f"accuracy {accuracy_of(run.result):.4f}" if run.result else "not complete"
        print(f"{run.log.name}: {done}")
    print(f"Wrote {pathlib.Path(FLAGS.output).expanduser()}.")
