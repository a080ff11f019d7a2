"""The lists of class names, against the files that they come from."""

import hashlib

import pytest

from keras_resnet.choices import CLASS_LISTS, IMAGENET_LISTS
from keras_resnet.preprocessing import class_names, imagenet_classes
from tests.conftest import REPOSITORY

# SHA-256 of timm 1.0.31's imagenet_synsets.txt, imagenet12k_synsets.txt and imagenet21k_goog_synsets.txt, which it uses
# for the networks of 1,000, 11,821 and 21,843 outputs.
IDS = {
    "imagenet-1k": (1000, "70002b0ff5de60a3a17a82dbfcff291931f96225ddf941ad2e182fc39e183d15"),
    "imagenet-12k": (11821, "f6483e79f18a9b670d43d915ddba40bbcaf82cfc4e92a07bd44057b9d44935f3"),
    "imagenet-21k": (21843, "66362bdedf36d933382edca5493fc562dcc17128ce36403c9e730a75f48cb2f2"),
}


@pytest.mark.parametrize("name", IMAGENET_LISTS)
def test_ids_are_timms_in_its_order(name):
    count, digits = IDS[name]
    ids = [wnid for wnid, _ in imagenet_classes(name)]
    assert len(ids) == len(set(ids)) == count
    assert hashlib.sha256("".join(f"{wnid}\n" for wnid in ids).encode()).hexdigest() == digits


def test_names():
    large, part = dict(imagenet_classes("imagenet-21k")), dict(imagenet_classes("imagenet-12k"))
    assert part.items() <= large.items()
    assert [large[wnid] for wnid in ("n00004475", "n02123045", "n12205694")] == ["organism", "tabby", "herb"]
    common = {wnid: name for wnid, name in imagenet_classes() if wnid in large}
    assert len(common) == 999  # the fall 2011 release has no teddy, n04399382
    assert all(large[wnid] == name for wnid, name in common.items())  # Keras, too, takes WordNet's first name
    with pytest.raises(ValueError, match="Unknown list of classes 'imagenet-22k'; did you mean 'imagenet-21k'"):
        imagenet_classes("imagenet-22k")


def test_names_of_cifar10_are_those_of_its_data_set(local_data):
    labels = local_data / "tfds" / "cifar10" / "3.0.2" / "label.labels.txt"
    assert list(class_names("cifar10")) == labels.read_text().split()


def test_names_of_any_list():
    assert class_names("imagenet-1k")[281] == "tabby"
    assert len(class_names("imagenet-12k")) == 11821
    with pytest.raises(ValueError, match="Unknown list of classes 'cifar1'; did you mean 'cifar10'"):
        class_names("cifar1")
    with pytest.raises(ValueError, match="Unknown list of classes 'cifar10'"):  # it has no WordNet IDs
        imagenet_classes("cifar10")


def test_each_list_has_its_file():
    files = (REPOSITORY / "keras_resnet" / "class_names").iterdir()
    assert sorted(file.stem for file in files) == sorted(CLASS_LISTS)
