"""Makes a record set of a folder of photos: fewer, larger files, each photo no larger than training needs it.

    python scripts/prepare_imagenet.py PHOTOS RECORDS [--short_side=512]

PHOTOS is laid out as scripts/train_imagenet.py wants it; RECORDS is then its --data_dir. Every photo is verified. The
same command again goes on where it stopped.
"""

import sys

import doorway
from absl import flags

import keras_resnet

SHORT_SIDE = flags.DEFINE_integer("short_side", 512, "Short side that no photo exceeds, pixels.", lower_bound=1)
FRACTION = flags.DEFINE_float("validation_fraction", 0.0, "Of the photos, held out where PHOTOS has no val.", 0, 0.99)
doorway.define_bad_image_flags()


def main(argv):
    if len(argv) != 3:
        sys.exit("usage: prepare_imagenet.py PHOTOS RECORDS [--short_side=512]")
    recipe = keras_resnet.Recipe(validation_fraction=FRACTION.value)
    data = keras_resnet.load_data(f"{argv[1]}/", recipe)
    shards = keras_resnet.prepare_records(data, argv[2], SHORT_SIDE.value, **doorway.bad_image_options())
    count, before, after, shrunk = (
        sum(getattr(shard, field) for shard in shards) for field in ("count", "source_bytes", "bytes", "shrunk")
    )
    print(
        f"{argv[2]}: {count} photos in {len(shards)} files, {shrunk} of them made smaller; "
        f"{before / 1e6:.1f} MB before, {after / 1e6:.1f} MB after: {1 - after / before:.0%} saved"
    )


if __name__ == "__main__":
    doorway.run(main)
