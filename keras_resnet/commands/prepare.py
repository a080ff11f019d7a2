"""Prepares a record set from a folder of photos."""

from absl import flags

import keras_resnet
from keras_resnet.commands.flags import (
    FLAGS,
    define_setting_flags,
    define_unreadable_image_flags,
    group,
    override_settings,
    unreadable_image_options,
)
from keras_resnet.recipes import Recipe


def define_flags() -> None:
    """Defines the flags of the command."""
    with group("data"):
        flags.DEFINE_integer("short_side", 512, "Maximum short side of a photo, pixels.", lower_bound=1)
    define_setting_flags(("validation_fraction",), otherwise="0")
    define_unreadable_image_flags()


def check_flags() -> None:
    """Refuses flags that are out of range."""
    override_settings(Recipe())


def main(argv: list[str]) -> None:
    """Writes the record set, and prints its size."""
    photos, records = argv[1:]
    data = keras_resnet.load_data(f"{photos}/", override_settings(Recipe()))
    shards = keras_resnet.prepare_records(data, records, FLAGS.short_side, **unreadable_image_options())
    count, before, after, shrunk = (
        sum(getattr(shard, field) for shard in shards) for field in ("count", "source_bytes", "bytes", "shrunk")
    )
    print(
        f"{records}: {count} photos in {len(shards)} files, {shrunk} of them made smaller; "
        f"{before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after ({after / before:.0%})"
    )
