"""Keras's weight files that point elsewhere, declare too much, or are not what they seem: refused, nothing changed."""

import json
import os
import resource
import struct
import zipfile

import h5py
import keras
import numpy as np
import pytest
from safetensors.numpy import save_file

from keras_resnet import create_model, load_weights
from keras_resnet.weights.formats import read_tensors

KERNEL = "layers/conv2d/vars/0"  # of the stem
SHAPE = (3, 3, 3, 16)
HUGE = (2**31, 4)  # 34 GB in float32


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(1)
    return create_model("resnet20_cifar", depths=(1, 1, 1))


@pytest.fixture
def file(model, tmp_path):
    model.save_weights(tmp_path / "net.weights.h5")
    return tmp_path / "net.weights.h5"


def replace_kernel(file, create):
    """Replaces the stem's kernel by what `create` makes of its group."""
    with h5py.File(file, "r+") as content:
        del content[KERNEL]
        create(content["layers/conv2d/vars"])


def refuse(model, file, message):
    """Loading raises one sentence, allocates nothing large, and leaves the model as it was."""
    before, memory = model.get_weights(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=message) as caught:
        load_weights(model, file)
    assert file.name in str(caught.value)
    assert "\n" not in str(caught.value)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory < 200_000  # kB
    assert all(np.array_equal(one, other) for one, other in zip(model.get_weights(), before, strict=True))


def test_values_in_another_file_are_not_read(model, file, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(np.ones(SHAPE, "float32").tobytes())
    for name, create in {
        "external storage": lambda group: group.create_dataset("0", SHAPE, "f4", external=[(str(secret), 0, 1728)]),
        "a virtual dataset": lambda group: group.create_virtual_dataset("0", virtual_layout(file)),
    }.items():
        replace_kernel(file, create)
        refuse(model, file, "values of its 'layers/conv2d/vars/0' are in another file")
        assert name


def virtual_layout(file):
    other = file.with_name("other.h5")
    with h5py.File(other, "w") as content:
        content["x"] = np.ones(SHAPE, "float32")
    layout = h5py.VirtualLayout(SHAPE, "f4")
    layout[:] = h5py.VirtualSource(str(other), "x", SHAPE)
    return layout


def test_links_are_not_followed(model, file):
    virtual_layout(file)
    for link in (h5py.ExternalLink("other.h5", "x"), h5py.SoftLink("/layers"), h5py.SoftLink("/nowhere")):
        replace_kernel(file, lambda group, link=link: group.__setitem__("0", link))
        refuse(model, file, "'layers/conv2d/vars/0' is a link, perhaps to another file")


def test_loops_of_groups_end(model, file):
    with h5py.File(file, "r+") as content:
        content["layers/conv2d/loop"] = content["layers"]
    refuse(model, file, "is linked twice")


@pytest.mark.parametrize("options", [{}, dict(compression="gzip", chunks=(2**16, 4)), dict(chunks=(2**10, 4))])
def test_declared_sizes_are_checked_before_reading(model, file, options):
    replace_kernel(file, lambda group: group.create_dataset("0", HUGE, "f4", **options))
    refuse(model, file, "its datasets declare 34,36.* bytes, more than the file or the model has")


def test_many_datasets_are_counted_together(model, file):
    with h5py.File(file, "r+") as content:
        for index in range(200):
            content.create_dataset(f"more/{index}", (2**22,), "f4", chunks=(2**10,))
    refuse(model, file, "its datasets declare 3,35.* bytes")


def names_of_datasets(content):
    names = []
    content.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
    return names


def test_compressed_weights_of_the_model_are_read(model, tmp_path):
    """Zeros compress to a thousandth; the model's own size explains them."""
    zeros = create_model("resnet20_cifar", depths=(1, 1, 1))
    for variable in zeros.variables:
        variable.assign(np.zeros(variable.shape))
    zeros.save_weights(tmp_path / "plain.weights.h5")
    with h5py.File(tmp_path / "plain.weights.h5") as plain, h5py.File(tmp_path / "small.weights.h5", "w") as small:
        for name in names_of_datasets(plain):
            small.create_dataset(name, data=plain[name][()], compression="gzip" if plain[name].shape else None)
    other = create_model("resnet20_cifar", depths=(1, 1, 1), weights=tmp_path / "small.weights.h5")
    assert not np.any(other.get_layer("stem_conv").kernel)


@pytest.mark.parametrize(
    "values", [np.array([b"text"] * 16), np.zeros(SHAPE, "complex64"), np.zeros(4, [("a", "f4"), ("b", "i4")])]
)
def test_values_that_are_not_numbers(model, file, values):
    replace_kernel(file, lambda group: group.create_dataset("0", data=values))
    refuse(model, file, "not numbers")


def test_a_group_where_a_dataset_belongs(model, file):
    replace_kernel(file, lambda group: group.create_group("0"))
    refuse(model, file, "1 missing")


def legacy(path, names, values):
    with h5py.File(path, "w") as content:
        for name in names:
            content.create_dataset(b"stem_conv/" + name, data=values)
        content["stem_conv"].attrs["weight_names"] = names
    return path


def test_names_that_are_not_text(model, tmp_path):
    refuse(model, legacy(tmp_path / "net.h5", [b"kernel\xff\xfe"], np.ones(SHAPE)), "is not a valid .h5 file|not text")
    refuse(
        model, legacy(tmp_path / "net.h5", [b"ker\nnel"], np.ones(SHAPE)), r"name is not text: 'stem_conv/ker\\nnel'"
    )


def test_legacy_file_without_its_weights(model, tmp_path):
    path = legacy(tmp_path / "net.h5", [b"kernel:0"], np.ones(SHAPE))
    with h5py.File(path, "r+") as content:
        content["stem_conv"].attrs["weight_names"] = [b"nowhere:0"]
    refuse(model, path, r"is not a valid \.h5 file")
    with h5py.File(path, "r+") as content:
        content["stem_conv"].attrs["weight_names"] = 5
    refuse(model, path, r"is not a valid \.h5 file")


def keras_file(model, path, change):
    """A .keras file, with a change to the dict of its members."""
    model.save(path)
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_zip_bomb(model, tmp_path, member):
    path = keras_file(model, tmp_path / "net.keras", lambda members: members.update({member: bytes(2**28)}))
    refuse(model, path, f"its {member} declares 268,435,456 bytes")


@pytest.mark.parametrize("member", ["config.json", "model.weights.h5"])
def test_zip_bomb_that_declares_little(model, tmp_path, member):
    """Python unpacks all of a bzip2 member, whatever it declares, and then cuts the end off."""
    path = keras_file(model, tmp_path / "net.keras", lambda members: members.pop(member))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_BZIP2) as archive:
        archive.writestr(member, bytes(2**20))
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<I", 2**20), struct.pack("<I", 1000)))
    refuse(model, path, f"its {member} is compressed by an unknown method")


def test_legacy_file_that_names_a_weight_many_times(model, tmp_path):
    path = legacy(tmp_path / "net.h5", [b"kernel:0"], np.ones(SHAPE))
    with h5py.File(path, "r+") as content:
        content["stem_conv"].attrs["weight_names"] = 1000 * [b"kernel:0"]
    refuse(model, path, "name a weight twice")


@pytest.mark.parametrize(
    "config",
    [
        [],
        {},
        {"config": []},
        {"config": {"layers": [1]}},
        {"config": {"layers": [{"class_name": 3, "config": {"name": "x"}}]}},
    ],
)
def test_keras_file_with_another_configuration(model, tmp_path, config):
    change = lambda members: members.update({"config.json": json.dumps(config)})  # noqa: E731
    refuse(model, keras_file(model, tmp_path / "net.keras", change), r"is not a valid \.keras file")


def test_keras_file_with_deep_json(model, tmp_path):
    change = lambda members: members.update({"config.json": "[" * 100_000})  # noqa: E731
    refuse(model, keras_file(model, tmp_path / "net.keras", change), r"is not a valid \.keras file")


def test_keras_file_whose_weights_are_links(model, tmp_path):
    def change(members):
        (tmp_path / "inner.h5").write_bytes(members["model.weights.h5"])
        replace_kernel(tmp_path / "inner.h5", lambda group: group.__setitem__("0", h5py.ExternalLink("/etc/x", "x")))
        members["model.weights.h5"] = (tmp_path / "inner.h5").read_bytes()

    refuse(model, keras_file(model, tmp_path / "net.keras", change), "is a link, perhaps to another file")


def test_safetensors_whose_header_declares_too_much(model, tmp_path):
    save_file({"x": np.zeros(4, "float32")}, tmp_path / "good.safetensors")
    for name, start, end in (("conv1.weight", 0, 2**40), ("x", 0, 64), ("x", 8, 4)):
        header = {name: {"dtype": "F32", "shape": [(end - start) // 4], "data_offsets": [start, end]}}
        encoded = json.dumps(header).encode()
        path = tmp_path / "net.safetensors"
        path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + bytes(16))
        refuse(model, path, r"is not a valid \.safetensors file")
    path.write_bytes((tmp_path / "good.safetensors").read_bytes().replace(b'"x"', b'"\xff"'))
    refuse(model, path, r"is not a valid \.safetensors file")


def test_every_suffix_refuses_noise(tmp_path):
    noise = np.random.default_rng(0).bytes(3000)
    for suffix in (".h5", ".weights.h5", ".keras", ".safetensors", ".pth", ".pt", ".th"):
        path = tmp_path / f"noise{suffix}"
        path.write_bytes(noise)
        with pytest.raises(ValueError, match="is not a valid"):
            read_tensors(path)
    assert os.listdir(tmp_path)


def test_legacy_file_whose_names_declare_too_much(model, tmp_path):
    path = legacy(tmp_path / "net.h5", [b"kernel%d" % number for number in range(13)], np.ones(4))
    length = struct.pack("<QQ", 13, 13)  # and the most that it may become
    assert path.read_bytes().count(length) == 1
    path.write_bytes(path.read_bytes().replace(length, struct.pack("<QQ", 2**40, 2**40)))
    refuse(model, path, "its weight_names declare more bytes than the file has|ran off end of input buffer")


def test_what_has_no_weights_in_a_legacy_file_is_passed_over(tmp_path):
    path = legacy(tmp_path / "net.h5", [b"kernel:0"], np.ones(SHAPE))
    with h5py.File(path, "r+") as content:
        content.create_group("flatten")
        content["number"] = np.dtype("f4")  # a type with a name
    assert set(read_tensors(path)) == {"stem_conv/kernel"}


def test_numbered_weights_need_the_model(file):
    with pytest.raises(ValueError, match=r"net\.weights\.h5 .*its weights are numbered; read_tensors needs the model"):
        read_tensors(file)
