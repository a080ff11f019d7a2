"""TFDS data sets with images of different sizes: prepared ones, and ImageNet, prepared from its archives."""

import io
import json
import logging
import shutil
import tarfile

import numpy as np
import pytest
import tensorflow as tf

from keras_resnet import Recipe, load_data
from keras_resnet.data.batches import evaluation_batches, training_batches
from keras_resnet.data.decoding import decode_bytes
from tests.photos import encode, scene

RECIPE = Recipe(batch_size=4, image_size=16, crop_fraction=0.875)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """Ten photos of two sizes, of two classes, written by TFDS itself."""
    import tensorflow_datasets as tfds

    folder = tmp_path_factory.mktemp("tfds")
    images = [scene(20 + 10 * (index % 2), 30, seed=index) for index in range(10)]

    def examples():
        for index, image in enumerate(images):
            yield {"image": image, "label": index % 2}

    features = tfds.features.FeaturesDict(
        {"image": tfds.features.Image(encoding_format="png"), "label": tfds.features.ClassLabel(names=["cat", "dog"])}
    )
    signature = {
        "image": tf.TensorSpec((None, None, 3), tf.uint8),
        "label": tf.TensorSpec((), tf.int64),
    }
    split = tf.data.Dataset.from_generator(examples, output_signature=signature)
    tfds.dataset_builders.store_as_tfds_dataset(
        name="pets", version="1.0.0", data_dir=str(folder), features=features, split_datasets={"train": split}
    )
    return folder, images


def test_photos_remain_encoded_until_needed(prepared):
    folder, images = prepared
    data = load_data("pets", Recipe(batch_size=4, image_size=16, validation_fraction=0.2), data_dir=folder)
    assert data.class_names == ("cat", "dog")
    assert (len(data.train), len(data.validation)) == (8, 2)
    originals = {image.tobytes(): index % 2 for index, image in enumerate(images)}
    found = []
    for split in (data.train, data.validation):
        for index, record in split.handles().as_numpy_iterator():
            image = decode_bytes(split.content(index, record))
            assert originals[image.tobytes()] == int(split.label((index, tf.constant(record))))
            found.append(image.tobytes())
    assert sorted(found) == sorted(originals)
    images, labels = next(iter(training_batches(data.train, RECIPE)))
    assert images.shape == (4, 16, 16, 3)
    assert labels.dtype == tf.int32


def test_a_name_may_have_a_configuration(prepared, tmp_path, monkeypatch):
    folder, images = prepared
    (tmp_path / "pets").mkdir()
    (tmp_path / "pets" / "small-v2").symlink_to(folder / "pets")
    data = load_data("pets/small-v2", RECIPE, data_dir=tmp_path)
    assert (len(data.train), data.class_names) == (len(images), ("cat", "dog"))
    assert {"source": "pets/small-v2", "data_dir": str(tmp_path)}.items() <= data.source.items()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError, match="The folder pets/other does not exist"):
        load_data("pets/other", RECIPE, data_dir=tmp_path)


@pytest.fixture
def copied(prepared, tmp_path):
    """A copy of the data set: the folder of its version."""
    return shutil.copytree(prepared[0] / "pets", tmp_path / "pets") / "1.0.0"


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("features.json", '"label": {', '"kind": {', "^pets is not a data set of images and labels"),
        ("dataset_info.json", '"tfrecord"', '"array_record"', r"1\.0\.0 contains array_record files; prepare pets as"),
        ("dataset_info.json", '"train"', '"test"', r"pets-test\S+-00001 is missing; prepare pets again"),
    ],
)
def test_what_a_prepared_data_set_lacks_is_named(file, old, new, message, copied, tmp_path):
    text = (copied / file).read_text()
    assert old in text
    (copied / file).write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=message):
        load_data("pets", RECIPE, data_dir=tmp_path)


def test_a_split_without_labels_is_left_out_but_not_that_for_training(copied, tmp_path, caplog):
    """TFDS has -1 for labels that are not published."""
    (shard,) = copied.glob("*.tfrecord*")
    with tf.io.TFRecordWriter(str(shard.with_name(shard.name.replace("train", "test")))) as writer:
        for record in tf.data.TFRecordDataset(str(shard)).as_numpy_iterator():
            example = tf.train.Example.FromString(record)
            example.features.feature["label"].int64_list.value[:] = [-1]
            writer.write(example.SerializeToString())
    info = json.loads((copied / "dataset_info.json").read_text())
    (train,) = info["splits"]
    test = {**train, "name": "test"}
    (copied / "dataset_info.json").write_text(json.dumps({**info, "splits": [train, test]}))
    with caplog.at_level(logging.INFO):
        assert set(load_data("pets", RECIPE, data_dir=tmp_path).splits) == {"train"}
    assert "Left out the test split of pets, which has no labels." in caplog.text
    (copied / "dataset_info.json").write_text(json.dumps({**info, "splits": [test]}))
    with pytest.raises(ValueError, match=r"^pets 1\.0\.0 has no training split; it has none\."):
        load_data("pets", RECIPE, data_dir=tmp_path)


def add(archive, name, content):
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    archive.addfile(entry, io.BytesIO(content))


@pytest.mark.slow
def test_imagenet_is_prepared_from_its_archives(tmp_path):
    """Two archives in ImageNet's layout, with five photos; TFDS knows the class names and the validation labels."""
    manual = tmp_path / "archives"
    manual.mkdir()
    with tarfile.open(manual / "ILSVRC2012_img_train.tar", "w") as train:
        for wnid, count in (("n01440764", 2), ("n15075141", 1)):
            inner = io.BytesIO()
            with tarfile.open(fileobj=inner, mode="w") as photos:
                for index in range(count):
                    add(photos, f"{wnid}_{index}.JPEG", encode(scene(40, 50, seed=index), "JPEG"))
            add(train, f"{wnid}.tar", inner.getvalue())
    with tarfile.open(manual / "ILSVRC2012_img_val.tar", "w") as validation:
        for index in (1, 2):
            add(validation, f"ILSVRC2012_val_{index:08d}.JPEG", encode(scene(30, 30, seed=index), "JPEG"))
    data = load_data("imagenet2012", RECIPE, data_dir=tmp_path / "tfds", manual_dir=manual)
    assert (len(data.train), len(data.validation), len(data.class_names)) == (3, 2, 1000)
    assert (data.class_names[0], data.class_names[-1]) == ("n01440764", "n15075141")
    labels = [int(data.train.label((index, tf.constant(record)))) for index, record in data.train.handles()]
    assert sorted(labels) == [0, 0, 999]
    assert sorted(data.validation.file_names()) == ["ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000002.JPEG"]
    batches = evaluation_batches(data.validation, 2, lambda image: image)
    (images, labels, _), *_ = batches
    assert images.shape == (2, 30, 30, 3)
    # The published labels of the first two: a snake (n01751748) and a ski resort (n09193705).
    by_name = dict(zip(data.validation.file_names(), np.array(data.class_names)[labels.numpy()], strict=True))
    assert by_name["ILSVRC2012_val_00000001.JPEG"] == "n01751748"
    assert by_name["ILSVRC2012_val_00000002.JPEG"] == "n09193705"
