"""PyTorch's files without PyTorch: the same tensors as in .safetensors, and no attack runs or allocates anything."""

import os
import pickle
import resource
import struct
import zipfile

import numpy as np
import pytest
from safetensors.numpy import load_file

from keras_resnet.weights.formats import read_tensors
from tests.weights import torch_writer
from tests.weights.torch_writer import (
    BFLOAT16,
    ORDERED_DICT,
    dict_of,
    number,
    parameter,
    tensor,
    text,
    tuple_of,
    write_archive,
)

RANDOM = np.random.default_rng(0)
ARRAYS = {
    name: RANDOM.normal(0, 50, (3, 4)).astype(dtype)
    for name, dtype in {**dict.fromkeys(torch_writer.STORAGES), "bfloat16": BFLOAT16}.items()
    for dtype in [dtype or name]
}
FOUR = np.arange(4, dtype="float32").tobytes()


def test_published_file_has_the_tensors_of_the_safetensors(local_data):
    folder = local_data / "weights" / "akamaster_cifar10"
    read, expected = read_tensors(folder / "resnet20-12fca82f.th"), load_file(folder / "resnet20.safetensors")
    assert set(read) == set(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(read[name], values, err_msg=name)


@pytest.mark.parametrize("write", [torch_writer.write_zip, torch_writer.write_legacy])
def test_every_type_of_number(write, tmp_path):
    read = read_tensors(write(tmp_path / "net.pth", {"state_dict": ARRAYS, "epoch": 3.0}))
    assert set(read) == set(torch_writer.STORAGES)
    for name, values in ARRAYS.items():
        assert read[name].dtype == "float32"
        np.testing.assert_array_equal(read[name], values.astype("float32"), err_msg=name)


def test_strides_offsets_parameters_and_shared_storages(tmp_path):
    values = np.arange(24, dtype="float32")
    instructions = {
        "transposed": tensor("0", "Float", 24, (4, 6), (1, 4)),
        "part": tensor("0", "Float", 24, (2, 3), (6, 1), offset=7),
        "parameter": parameter(tensor("0", "Float", 24, (24,), (1,))),
        "scalar": tensor("0", "Float", 24, (), (), offset=5),
        "empty": tensor("0", "Float", 24, (0, 5), (5, 1)),
    }
    read = read_tensors(write_archive(tmp_path / "net.pt", dict_of(instructions), {"0": values.tobytes()}))
    np.testing.assert_array_equal(read["transposed"], values.reshape(6, 4).T)
    np.testing.assert_array_equal(read["part"], values.reshape(4, 6)[1:3, 1:4])
    np.testing.assert_array_equal(read["parameter"], values)
    assert read["scalar"] == 5
    assert read["empty"].shape == (0, 5)


def attribute(instructions):
    """The state dict with attributes, as torch writes its versions."""
    return instructions + b"}" + text("_metadata") + torch_writer.ORDERED_DICT + b"sb"


def test_attributes_of_a_state_dict_are_ignored(tmp_path):
    instructions = attribute(dict_of({"x": tensor("0", "Float", 4, (4,), (1,))}))
    assert read_tensors(write_archive(tmp_path / "net.pt", instructions, {"0": FOUR}))["x"].tolist() == [0, 1, 2, 3]


class Call:
    """Unpickled, it would call the function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def attacks(tmp_path):
    """Pickles that Python's unpickler would run, and what the error says."""
    ran = str(tmp_path / "ran")
    for call in (
        Call(os.system, f"touch {ran}"),
        Call(eval, f"open({ran!r}, 'w')"),
        Call(exec, f"open({ran!r}, 'w')"),
        Call(open, ran, "w"),
        Call(getattr, "name", "upper"),
        {"state_dict": {"nested": [(Call(open, ran, "w"),)]}},
    ):
        yield pickle.dumps(call, protocol=2)[2:-1]
    yield b"ctorch.storage\n_load_from_bytes\n" + tuple_of(text("x")) + b"R"
    yield b"ctorch._utils\n_rebuild_tensor_v2\nR"
    yield b"ccollections\nOrderedDict\n" + tuple_of(text("posix")) + b"R"
    yield text("os") + text("system") + b"\x93" + tuple_of(text(f"touch {ran}")) + b"R"  # STACK_GLOBAL
    yield b"(ios\nsystem\n"  # INST
    yield b"(" + text(f"touch {ran}") + b"cos\nsystem\no"  # OBJ
    yield b"\x82\x01"  # an extension
    yield b"Pos.system\n"  # a persistent id as text
    yield text("x") + b"Q"
    yield b"t"  # no mark
    yield b"h\x07"  # nothing in the memo
    yield b"0" * 9  # nothing to remove
    yield b"}" + b")" * 1 + b"N" + b"s"  # a tuple as key
    yield b"](" + b"K\x01" + b"e" + text("x") + b"s"  # an item of a list


def test_attacks_run_nothing(tmp_path):
    for instructions in attacks(tmp_path):
        files = [write_archive(tmp_path / "net.pth", instructions, {})]
        start = b"".join(pickle.dumps(value, protocol=2) for value in torch_writer.LEGACY_START)
        files.append(tmp_path / "net.th")
        files[1].write_bytes(start + b"\x80\x02" + instructions + b".")
        files.append(tmp_path / "plain.pt")
        files[2].write_bytes(b"\x80\x02" + instructions + b".")
        for file in files:
            with pytest.raises(ValueError, match=f"{file.name} is not a valid .* file") as caught:
                read_tensors(file)
            assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


def test_what_is_no_tensor_is_named(tmp_path):
    instructions = dict_of({"args": b"cargparse\nNamespace\n)R"})
    with pytest.raises(ValueError, match=r"contains argparse.Namespace, .*load the file with PyTorch, and save"):
        read_tensors(write_archive(tmp_path / "net.pth", instructions, {}))


HUGE = 2**40


@pytest.mark.parametrize(
    ("rebuilt", "message"),
    [
        (tensor("0", "Float", HUGE, (HUGE,), (1,)), "storage 0 of 4398046511104 bytes is missing or has another size"),
        (tensor("0", "Float", 4, (HUGE,), (1,)), "exceeds its storage of 4 values"),
        (tensor("0", "Float", 4, (HUGE,), (0,)), "exceeds its storage of 4 values"),
        (tensor("0", "Float", 4, (2, 2), (HUGE, 1)), "exceeds its storage of 4 values"),
        (tensor("0", "Float", 4, (4,), (1,), offset=1), "exceeds its storage of 4 values"),
        (tensor("0", "Float", 4, (2,), (-1,)), "has the shape"),
        (tensor("0", "Float", 4, (2,), (1,), offset=-4), "has the shape"),
        (tensor("0", "Float", 4, (2, 2), (1,)), "has the shape"),
        (tensor("0", "Float", -4, (2,), (1,)), "storage without a size"),
        (tensor("0", "Quantum", 4, (2,), (1,)), "contains torch.QuantumStorage, which is not a plain tensor"),
        (tensor("1", "Float", 4, (4,), (1,)), "storage 1 of 16 bytes is missing"),
        (tensor("../../etc/passwd", "Float", 4, (4,), (1,)), "storage ../../etc/passwd of 16 bytes is missing"),
        (tensor("0", "Double", 4, (4,), (1,)), "storage 0 of 32 bytes is missing or has another size"),
    ],
)
def test_sizes_are_checked_before_anything_is_allocated(rebuilt, message, tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=message):
        read_tensors(write_archive(tmp_path / "net.pth", dict_of({"x": rebuilt}), {"0": FOUR}))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


def test_memo_and_strings_that_declare_too_much(tmp_path):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for instructions in (
        b"}r" + struct.pack("<I", 2**31 - 1),  # Python's unpickler allocates a memo of that size
        b"X" + struct.pack("<I", 2**31),
        b"\x8b" + struct.pack("<i", 2**31 - 1),
        b"\x96" + struct.pack("<Q", 2**40),
        b"\x95" + struct.pack("<Q", 2**40),
    ):
        with pytest.raises(ValueError, match=r"net\.pth"):
            read_tensors(write_archive(tmp_path / "net.pth", instructions, {}))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000


def test_deeply_nested_pickle_does_not_overflow_the_stack(tmp_path):
    deep = b")" + b"\x85" * 200_000
    for instructions in (dict_of({"x": deep}), b"}" + deep + b"Ns", b"]" * 100_000 + b"a" * 99_999):
        with pytest.raises(ValueError, match=r"net\.pth"):
            read_tensors(write_archive(tmp_path / "net.pth", instructions, {}))


def test_shape_of_exponentially_many_parts_is_shown_in_short(tmp_path):
    doubled = b")" + b"".join(b"q%ch%c\x86" % (number, number) for number in range(60))
    place = tuple_of(torch_writer.storage("0", "Float", 4), number(0), doubled, tuple_of(), b"\x89", ORDERED_DICT)
    instructions = dict_of({"x": b"ctorch._utils\n_rebuild_tensor_v2\n" + place + b"R"})
    with pytest.raises(ValueError, match="a tensor has the shape") as error:
        read_tensors(write_archive(tmp_path / "net.pth", instructions, {"0": FOUR}))
    assert len(str(error.value)) < 1000


def test_big_endian_archives_are_refused(tmp_path):
    instructions = dict_of({"x": tensor("0", "Float", 4, (4,), (1,))})
    with pytest.raises(ValueError, match=r"net\.pth.*it is big-endian"):
        read_tensors(write_archive(tmp_path / "net.pth", instructions, {"0": FOUR}, byteorder="big"))


def test_big_endian_legacy_files_are_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(torch_writer.LEGACY_START[2], "little_endian", False)
    with pytest.raises(ValueError, match=r"net\.th.*it is big-endian"):
        read_tensors(torch_writer.write_legacy(tmp_path / "net.th", {"x": ARRAYS["float32"]}))


def test_archive_whose_parts_declare_more_than_the_file_has(tmp_path):
    instructions = dict_of({"x": tensor("0", "Float", 4, (4,), (1,))})
    file = write_archive(tmp_path / "net.pth", instructions, {"0": FOUR})
    file.write_bytes(file.read_bytes().replace(struct.pack("<II", 16, 16), struct.pack("<II", 16, 2**30)))
    with pytest.raises(ValueError, match=r"net\.pth.*its parts declare more bytes than the file has"):
        read_tensors(file)


def test_zip_bombs_and_damaged_archives(tmp_path):
    instructions = dict_of({"x": tensor("0", "Float", 2**26, (2**26,), (1,))})
    bomb = write_archive(tmp_path / "bomb.pth", instructions, {"0": bytes(2**28)}, zipfile.ZIP_DEFLATED)
    with pytest.raises(ValueError, match=r"compressed, which torch\.save never does"):
        read_tensors(bomb)
    good = dict_of({"x": tensor("0", "Float", 4, (4,), (1,))})
    file = write_archive(tmp_path / "net.pth", good, {"0": FOUR})
    content = file.read_bytes()
    for end in range(0, len(content), 37):
        file.write_bytes(content[:end])
        with pytest.raises(ValueError, match=r"net\.pth"):
            read_tensors(file)
    file.write_bytes(content.replace(FOUR, b"damaged values!!"))
    with pytest.raises(ValueError, match="Bad CRC-32"):
        read_tensors(file)
    with zipfile.ZipFile(tmp_path / "other.pth", "w") as archive:
        archive.writestr("net/readme", "no weights")
    with pytest.raises(ValueError, match=r"zip archive without data\.pkl"):
        read_tensors(tmp_path / "other.pth")


def test_truncated_legacy_files(tmp_path):
    file = torch_writer.write_legacy(tmp_path / "net.th", {"x": ARRAYS["float32"], "y": ARRAYS["float16"]})
    content = file.read_bytes()
    for end in range(len(content)):
        file.write_bytes(content[:end])
        with pytest.raises(ValueError, match=r"net\.th"):
            read_tensors(file)


def test_flipped_bytes_never_do_more_than_raise_an_error(tmp_path):
    file = torch_writer.write_legacy(tmp_path / "net.th", {"x": ARRAYS["float32"], "y": ARRAYS["float16"]})
    content = bytearray(file.read_bytes())
    for _ in range(1500):
        damaged = bytearray(content)
        damaged[RANDOM.integers(len(content))] = RANDOM.integers(256)
        file.write_bytes(damaged)
        try:
            read_tensors(file)
        except ValueError as error:
            assert "\n" not in str(error)  # noqa: PT017


def test_the_writer_writes_what_pickle_reads():
    instructions = b"\x80\x02" + dict_of({"x": number(2**35)}) + b"."
    assert pickle.loads(instructions) == {"x": 2**35}


def test_tensors_that_show_one_storage_without_end_are_refused(tmp_path):
    values = np.arange(24, dtype="float32")
    instructions = {str(number): tensor("0", "Float", 24, (24,), (1,)) for number in range(11)}
    path = write_archive(tmp_path / "net.pt", dict_of(instructions), {"0": values.tobytes()})
    with pytest.raises(ValueError, match="more than 10 times the 24 values of their storages"):
        read_tensors(path)
