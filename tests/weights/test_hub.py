"""Users' own weights on the Hugging Face Hub, against a hub on this machine."""

import hashlib
import re

import keras
import numpy as np
import pytest

from keras_resnet import View, create_model, load_weights
from keras_resnet.weights.hub import HubAddress, fetch_from_hub, is_hub_address
from tests.commands.running import keras_resnet_command
from tests.weights.servers import CONTENT, Repositories, commit_of, serve

OTHER = CONTENT[::-1]
USUAL = ".keras or .safetensors file"
OR_PRIVATE = "or it is private; set HF_TOKEN to read private ones."


@pytest.fixture
def flowers(repositories):
    """The repository me/flowers with a tag, and a model.safetensors that no test reads."""
    repositories.repositories["me/flowers"] = {
        "main": {"README.md": b"flowers", "model.safetensors": CONTENT},
        "v1": {"model.safetensors": OTHER},
    }
    return repositories


def loaded_requests(server):
    return [path for method, path, _ in server.requests if method == "GET" and "/resolve/" in path]


# ---------------------------------------------------------------------------------------------
# Addresses


@pytest.mark.parametrize(
    ("address", "parts"),
    [
        ("hf://me/flowers", ("me/flowers", None, None)),
        ("hf://me/my.net-2_b/runs/1/best.keras", ("me/my.net-2_b", None, "runs/1/best.keras")),
        ("hf://me/flowers@v1.0", ("me/flowers", "v1.0", None)),
        ("hf://me/flowers@refs%2Fpr%2F1/a.pth", ("me/flowers", "refs/pr/1", "a.pth")),
    ],
)
def test_address(address, parts):
    place = HubAddress.parse(address)
    assert (place.repository, place.revision, place.file) == parts
    assert str(place) == address
    assert is_hub_address(address)


@pytest.mark.parametrize(
    "address",
    [
        *("hf:", "hf://", "hf:/me/flowers", "hf://flowers", "hf://me/", "hf:///flowers", "hf://me/flowers@", "hf://../a"),
        *("hf://me/fl owers", "hf://me/a--b", "hf://me/" + "x" * 97, "hf://me/flowers@a@b", "hf://m\xe9/flowers", "hf://me/a..b"),
        *("hf://me/flowers@%2e%2e", "hf://me/flowers?x.h5", "hf://me\0/flowers"),
    ],
)  # fmt: skip
def test_malformed_address(address):
    message = "is not an address on the Hugging Face Hub; write hf://owner/name, hf://owner/name@revision, or"
    with pytest.raises(ValueError, match=re.escape(message)):
        fetch_from_hub(address)


@pytest.mark.parametrize(
    "file", ["a.txt", "", "../a.keras", "b/../a.keras", "/a.keras", "a\\b.keras", "x" * 300 + ".h5"]
)
def test_file_of_an_address_must_be_a_weight_file_of_the_repository(file):
    with pytest.raises(ValueError, match=r"must be a weight file: \.safetensors|is not an address"):
        fetch_from_hub(f"hf://me/flowers/{file}")


# ---------------------------------------------------------------------------------------------
# Files


def test_download_and_second_use(flowers, home):
    path = fetch_from_hub("hf://me/flowers")
    assert path == home / "me--flowers" / "model.safetensors"
    assert path.read_bytes() == CONTENT
    assert len(loaded_requests(flowers)) == 1
    assert fetch_from_hub("hf://me/flowers/model.safetensors") == path
    assert len(loaded_requests(flowers)) == 1


def test_revisions_and_new_versions(flowers, home):
    tagged = fetch_from_hub("hf://me/flowers@v1")
    assert (tagged, tagged.read_bytes()) == (home / "me--flowers@v1" / "model.safetensors", OTHER)
    assert fetch_from_hub("hf://me/flowers").read_bytes() == CONTENT
    flowers.repositories["me/flowers"]["main"] = {"model.safetensors": CONTENT + b"new"}
    assert fetch_from_hub("hf://me/flowers").read_bytes() == CONTENT + b"new"
    assert fetch_from_hub("hf://me/flowers@v1").read_bytes() == OTHER


def test_file_of_a_commit_is_not_looked_up_again(flowers):
    commit = commit_of(flowers.repositories["me/flowers"]["v1"])
    path = fetch_from_hub(f"hf://me/flowers@{commit}/model.safetensors")
    assert path.read_bytes() == OTHER
    flowers.requests.clear()
    assert fetch_from_hub(f"hf://me/flowers@{commit}/model.safetensors") == path
    assert flowers.requests == []


def test_damaged_copy_is_replaced(flowers):
    path = fetch_from_hub("hf://me/flowers")
    path.write_bytes(b"damaged")
    assert fetch_from_hub("hf://me/flowers").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [4_000, 50_000])
def test_checksums_of_small_and_large_files(size, repositories, home):
    repositories.repositories["me/net"] = {"main": {"net.safetensors": CONTENT[:size]}}
    repositories.sha256, repositories.git = hashlib.sha256(b"x").hexdigest(), hashlib.sha1(b"x").hexdigest()
    expected = f"git {repositories.git}" if size < 5_000 else f"sha256 {repositories.sha256}"
    with pytest.raises(ValueError, match=f"net.safetensors is not the published file: {expected} was expected"):
        fetch_from_hub("hf://me/net")
    assert not (home / "me--net" / "net.safetensors").exists()
    repositories.sha256 = repositories.git = None
    assert fetch_from_hub("hf://me/net").read_bytes() == CONTENT[:size]


@pytest.mark.parametrize(
    ("files", "address", "chosen"),
    [
        (["a.keras", "model.safetensors", "b.safetensors"], "hf://me/net", "model.safetensors"),
        (["a.h5", "b.keras", "c.pth"], "hf://me/net", "b.keras"),
        (["a.h5", "b.keras", "c/d.pth"], "hf://me/net/c/d.pth", "c/d.pth"),
        (["../../../a.keras", "b.keras"], "hf://me/net", "b.keras"),
    ],
)
def test_chosen_file(files, address, chosen, repositories, home):
    repositories.repositories["me/net"] = {"main": {file: file.encode() for file in files}}
    assert fetch_from_hub(address) == home / "me--net" / chosen
    assert (home / "me--net" / chosen).read_bytes() == chosen.encode()


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("hf://me/several", ValueError, "hf://me/several has 2 weight files; add the name of one: a.keras, b.keras."),
        ("hf://me/h5", FileNotFoundError, f"hf://me/h5 has no {USUAL}; add the name of another weight file: a.h5."),
        ("hf://me/none", FileNotFoundError, f"hf://me/none has no {USUAL}."),
        ("hf://me/none/a.h5", FileNotFoundError, "URL/me/none has no file a.h5; its weight files are: none."),
        ("hf://me/h5/b.h5", FileNotFoundError, "URL/me/h5 has no file b.h5; its weight files are: a.h5."),
        ("hf://me/several@v2", FileNotFoundError, "URL/me/several has no revision 'v2'."),
        ("hf://me/missing", FileNotFoundError, f"There is no repository URL/me/missing, {OR_PRIVATE}"),
    ],
)  # fmt: skip
def test_what_is_missing_or_ambiguous_is_one_sentence(address, error, message, repositories, home):
    repositories.repositories["me/several"] = {"main": {"a.keras": b"a", "b.keras": b"b", "x.json": b"{}"}}
    repositories.repositories["me/h5"] = {"main": {"a.h5": b"a"}}
    repositories.repositories["me/none"] = {"main": {"a.txt": b"a"}}
    with pytest.raises(error) as caught:
        fetch_from_hub(address)
    assert str(caught.value) == message.replace("URL", repositories.url)
    assert not home.exists()


def test_without_a_connection(flowers, home, monkeypatch):
    with serve(Repositories) as gone:
        pass
    monkeypatch.setenv("HF_ENDPOINT", gone.url)
    with pytest.raises(OSError, match=r"\(.*Connection refused.*\); try again") as caught:
        fetch_from_hub("hf://me/flowers")
    start, _, end = str(caught.value).partition(" (")
    assert start == f"The weights hf://me/flowers could not be downloaded from {gone.url}/me/flowers"
    assert end.endswith(f"or put the file at {home / 'me--flowers' / 'model.safetensors'} by hand.")
    monkeypatch.setenv("HF_ENDPOINT", flowers.url)
    path = fetch_from_hub("hf://me/flowers")
    monkeypatch.setenv("HF_ENDPOINT", gone.url)
    with pytest.warns(UserWarning, match=r"is used as it was downloaded before: .* cannot be read \(.*refused.*\)\.$"):
        assert fetch_from_hub("hf://me/flowers") == path
    path.write_bytes(b"put there by hand")
    with pytest.warns(UserWarning, match="is used unverified"):
        assert fetch_from_hub("hf://me/flowers/model.safetensors") == path


# ---------------------------------------------------------------------------------------------
# Models


def test_keras_file_brings_weights_view_and_class_names(repositories, tmp_path):
    keras.utils.set_random_seed(0)
    model = create_model("resnet20_cifar", classes=3)
    model.class_names, model.view = ("rose", "tulip", "daisy"), View((32, 32), 0.875, "bicubic")
    model.save(tmp_path / "flowers.keras")
    repositories.repositories["me/flowers"] = {"main": {"flowers.keras": (tmp_path / "flowers.keras").read_bytes()}}
    loaded = create_model("resnet20_cifar", classes=3, weights="hf://me/flowers")
    assert (loaded.class_names, loaded.view) == (model.class_names, model.view)
    assert all(np.array_equal(*pair) for pair in zip(loaded.get_weights(), model.get_weights(), strict=True))
    assert loaded.weights_source == "hf://me/flowers"
    with pytest.warns(UserWarning, match="hf://me/flowers has a classifier for another number of classes"):
        other = create_model("resnet20_cifar", classes=4, weights="hf://me/flowers")
    assert (other.class_names, other.view) == (None, model.view)


def test_file_of_another_architecture_changes_nothing(repositories, tmp_path):
    create_model("resnet32_cifar").save(tmp_path / "net.keras")
    repositories.repositories["me/net"] = {"main": {"net.keras": (tmp_path / "net.keras").read_bytes()}}
    model = create_model("resnet20_cifar")
    before = model.get_weights()
    with pytest.raises(ValueError, match="does not match resnet20_cifar"):
        load_weights(model, "hf://me/net")
    assert all(np.array_equal(*pair) for pair in zip(model.get_weights(), before, strict=True))


@pytest.mark.parametrize("command", ["train", "evaluate"])
def test_commands_check_the_address_before_they_read_data(command, repositories, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    place = ["--workdir=run"] if command == "train" else []
    arguments = [command, "--model=resnet20_cifar", "--data_dir=nowhere", *place]
    assert keras_resnet_command(monkeypatch, *arguments, "--weights=hf://me/net") == (
        1,
        "",
        f"error: There is no repository {repositories.url}/me/net, {OR_PRIVATE}\n",
    )
    code, _, stderr = keras_resnet_command(monkeypatch, *arguments, "--weights=hf://net")
    assert (code, stderr.count("\n")) == (1, 1)
    assert stderr.startswith("error: 'hf://net' is not an address on the Hugging Face Hub; write hf://owner/name,")
