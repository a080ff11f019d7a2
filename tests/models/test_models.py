"""Models against published counts, NumPy written from the paper, and themselves after saving."""

import inspect
import json
import pathlib
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_resnet
from keras_resnet import VARIANTS, create_model
from keras_resnet.models.complexity import activations, weighted_layers
from keras_resnet.models.model import ends_in_softmax, to_probabilities
from keras_resnet.preprocessing import get_normalization
from tests.jax_process import run_on_jax
from tests.marks import exhaustive, few

# Trainable parameters, 1,000 classes (CIFAR: 10).
GOLDEN = json.loads((pathlib.Path(__file__).parents[1] / "golden" / "logits.json").read_text(encoding="utf-8"))["peers"]
# Of these, test_golden.py compares every tensor and the count with torchvision's and timm's.
OF_PEERS = {peer["name"] for peer in GOLDEN if peer["source"] != "keras.applications"}
PROJECTIONS = (64 * 128 + 2 * 128) + (128 * 256 + 2 * 256) + (256 * 512 + 2 * 512)
PARAMETERS = {
    # As torchvision publishes them; v1 has its strides elsewhere, the plain nets lack the three projections.
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "resnet50_v1": 25_557_032,
    "resnet101_v1": 44_549_160,
    "resnet152_v1": 60_192_808,
    "plainnet18": 11_689_512 - PROJECTIONS,
    "plainnet34": 21_797_672 - PROJECTIONS,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "resnext101_64x4d": 83_455_272,
    "wide_resnet50_2": 68_883_240,
    "wide_resnet101_2": 126_886_696,
    # v2 has other normalizations than v1 at the ends of stages and net, so the difference does not grow with depth.
    "resnetv2_200": 64_673_832 - (25_557_032 - 25_549_352),
    # Exact counts of the nets that the paper gives as 0.27M to 19.4M (table 6), as
    # https://github.com/akamaster/pytorch_resnet_cifar10 counts; a plain net has as many.
    "resnet20_cifar": 269_722,
    "resnet32_cifar": 464_154,
    "resnet44_cifar": 658_586,
    "resnet56_cifar": 853_018,
    "resnet110_cifar": 1_727_962,
    "resnet1202_cifar": 19_421_274,
    "plainnet20_cifar": 269_722,
    "plainnet32_cifar": 464_154,
    "plainnet44_cifar": 658_586,
    "plainnet56_cifar": 853_018,
    "plainnet110_cifar": 1_727_962,
    "plainnet1202_cifar": 19_421_274,
    # As https://github.com/osmr/imgclsmob counts (the papers: 1.7M, 10.2M and 36.5M).
    "resnetv2_164_cifar": 1_703_258,
    "resnetv2_1001_cifar": 10_327_706,
    "wide_resnet28_10_cifar": 36_479_194,
    # Added up by hand: stem and stages 1 to 3, each with its normalizations, and the classifier.
    "resnet12_fast_cifar": 928 + 18_560 + 484_608 + 2_099_712 + 2_570,
}
# Known to the digits of the papers alone, in millions: He et al. 2016, table 4; Zagoruyko and Komodakis 2016,
# table 4. MLPerf Tiny's net is known by its weights (test_weights.py).
MILLIONS = {
    "resnetv2_110_cifar": "1.7",
    "wide_resnet16_8_cifar": "11.0",
    "wide_resnet40_4_cifar": "8.9",
}
WITHOUT_COUNT = {"resnet8"}
# Parts of the names of deep and wide nets, which take long to build.
LARGE = (
    "1202",
    "1001",
    "110",
    "164",
    "44",
    "56",
    "16_8",
    "28_10",
    "40_4",
    "101",
    "152",
    "200",
    "50_2",
    "50_32",
    "32x8d",
    "64x4d",
)
PAPER_MILLIONS = {20: "0.27", 32: "0.46", 44: "0.66", 56: "0.85", 110: "1.7", 1202: "19.4"}


def trainable(model):
    return sum(int(np.prod(variable.shape)) for variable in model.trainable_variables)


def depth_marks(name):
    return exhaustive(name) if any(part in name for part in LARGE) else name


def rounded(value, like):
    """The value with as many decimals as the text `like`."""
    return f"{value:.{len(like.partition('.')[2])}f}"


def randomize(model, seed=0):
    """Draws every weight, so that no batch normalization is the identity."""
    random = np.random.default_rng(seed)
    for variable in model.variables:
        if "seed" in variable.name:
            continue
        low, high = (0.5, 1.5) if variable.name in ("gamma", "moving_variance") else (-0.2, 0.2)
        variable.assign(random.uniform(low, high, variable.shape))


@pytest.fixture
def photos():
    return np.random.default_rng(1).integers(0, 256, (3, 32, 32, 3)).astype("uint8")


@pytest.mark.exhaustive
def test_deepest_net_has_its_count_and_is_saved_and_loaded(photos, tmp_path):
    model = create_model("resnet1202_cifar")
    assert trainable(model) == PARAMETERS["resnet1202_cifar"]
    model.save(tmp_path / "deep.keras")
    loaded = keras.saving.load_model(tmp_path / "deep.keras")
    np.testing.assert_array_equal(loaded(photos[:1]), model(photos[:1]))


def test_every_variant_has_its_published_count():
    assert {*PARAMETERS, *MILLIONS, *OF_PEERS, *WITHOUT_COUNT} == set(VARIANTS)


@pytest.mark.parametrize(
    "name", [depth_marks(name) for name in {**PARAMETERS, **MILLIONS} if name != "resnet1202_cifar"]
)
def test_parameters(name):
    keras.backend.clear_session()
    model = create_model(name)
    count = trainable(model)
    if name in PARAMETERS:
        assert count == PARAMETERS[name]
    if name in MILLIONS:
        assert rounded(count / 1e6, MILLIONS[name]) == MILLIONS[name]
    assert model.name == name


@pytest.mark.parametrize("depth", PAPER_MILLIONS)
def test_recorded_counts_round_to_the_papers(depth):
    printed = PAPER_MILLIONS[depth]
    assert rounded(PARAMETERS[f"resnet{depth}_cifar"] / 1e6, printed) == printed


@pytest.mark.parametrize(
    "name", few(["plainnet18", "plainnet34", "plainnet20_cifar", "plainnet56_cifar"], "plainnet18", "plainnet20_cifar")
)
def test_plain_net_and_option_a_twin_have_the_same_count(name):
    twin = create_model(name.replace("plainnet", "resnet"), shortcut="A")
    assert trainable(create_model(name)) == trainable(twin)


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_cifar_nets_have_the_weighted_layers_of_their_name(depth):
    model = create_model(f"resnet{depth}_cifar")
    assert sum(isinstance(layer, (keras.layers.Conv2D, keras.layers.Dense)) for layer in model.layers) == depth


@pytest.mark.parametrize("shortcut", ["A", "B", "C"])
@pytest.mark.parametrize("block", ["basic", "bottleneck"])
def test_zero_gamma_makes_the_deeper_net_equal_its_shallow_part(block, shortcut, photos):
    def build(depths):
        return keras_resnet.ResNet(
            block, depths, widths=(8, 16), stem="cifar", shortcut=shortcut, input_shape=(32, 32, 3), classes=10
        )

    shallow, deep = build((1, 1)), build((3, 4))
    randomize(deep)
    for layer in shallow.layers:
        layer.set_weights(deep.get_layer(layer.name).get_weights())
    last = "bn2" if block == "basic" else "bn3"
    for layer in deep.layers:
        added = "_block" in layer.name and "_block1_" not in layer.name
        if added and layer.name.endswith(last):
            layer.gamma.assign(np.zeros(layer.gamma.shape))
            layer.beta.assign(np.zeros(layer.beta.shape))
        if added and layer.name.endswith("shortcut_conv"):  # option C: let the projection be the identity
            layer.kernel.assign(np.eye(layer.kernel.shape[-1])[None, None])
        if added and layer.name.endswith("shortcut_bn"):
            for weight, value in ((layer.gamma, 1), (layer.beta, 0), (layer.moving_mean, 0)):
                weight.assign(np.full(weight.shape, value))
            layer.moving_variance.assign(np.full(layer.gamma.shape, 1 - 1e-5))
    np.testing.assert_allclose(deep(photos), shallow(photos), rtol=1e-5, atol=1e-6)


def test_zero_init_residual_starts_each_block_as_the_identity(photos):
    deep = create_model("resnet32_cifar", zero_init_residual=True)
    shallow = create_model("resnet20_cifar", zero_init_residual=True)
    for name in ("stem_conv", "logits"):
        shallow.get_layer(name).set_weights(deep.get_layer(name).get_weights())
    np.testing.assert_allclose(deep(photos), shallow(photos), rtol=1e-5)


@pytest.mark.parametrize("preactivation", [False, True])
def test_zero_init_residual_leaves_gradients_to_a_plain_net(preactivation, photos):
    model = create_model("plainnet20_cifar", zero_init_residual=True, preactivation=preactivation)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(photos)[:, 0])
    for variable, gradient in zip(model.trainable_variables, tape.gradient(loss, model.trainable_weights), strict=True):
        assert np.abs(gradient).max() > 0, variable.path


# ---------------------------------------------------------------------------------------------
# NumPy, from the paper's text: slow and plain


def np_conv(x, kernel, strides):
    size = kernel.shape[0]
    x = np.pad(x, ((0, 0), (size // 2,) * 2, (size // 2,) * 2, (0, 0)))
    height, width = ((side - size) // strides + 1 for side in x.shape[1:3])
    y = np.zeros((len(x), height, width, kernel.shape[-1]))
    for i in range(height):
        for j in range(width):
            window = x[:, i * strides : i * strides + size, j * strides : j * strides + size]
            y[:, i, j] = np.tensordot(window, kernel, 3)
    return y


def np_net(model, x, block, depths, shortcut, stride_in):
    """The forward pass of section 3, with the weights of `model`."""

    def weights(name):
        return [np.float64(w) for w in model.get_layer(name).get_weights()]

    def conv_bn(x, name, index="", strides=1):
        y = np_conv(x, *weights(f"{name}_conv{index}"), strides)
        gamma, beta, mean, variance = weights(f"{name}_bn{index}")
        return (y - mean) / np.sqrt(variance + 1e-5) * gamma + beta

    def skip(x, y, name, strides):
        changes = x.shape != y.shape
        if shortcut == "C" or (shortcut == "B" and changes):
            return conv_bn(x, f"{name}_shortcut", strides=strides)
        x = x[:, ::strides, ::strides]
        new = y.shape[-1] - x.shape[-1]
        return np.pad(x, ((0, 0), (0, 0), (0, 0), (new // 2, new - new // 2)))

    def relu(x):
        return np.maximum(x, 0)

    x = (x - np.array([123.675, 116.28, 103.53])) / np.array([58.395, 57.12, 57.375])
    x = relu(conv_bn(x, "stem"))
    for stage, depth in enumerate(depths, 1):
        for index in range(1, depth + 1):
            name, strides = f"stage{stage}_block{index}", 2 if stage > 1 and index == 1 else 1
            if block == "basic":
                y = conv_bn(relu(conv_bn(x, name, 1, strides)), name, 2)
            else:
                first, second = (strides, 1) if stride_in == "1x1" else (1, strides)
                y = conv_bn(relu(conv_bn(relu(conv_bn(x, name, 1, first)), name, 2, second)), name, 3)
            x = relu(skip(x, y, name, strides) + y if shortcut else y)
    kernel, bias = weights("logits")
    z = x.mean((1, 2)) @ kernel + bias
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("block", "shortcut", "stride_in"),
    [
        ("basic", "A", "3x3"),
        ("basic", "B", "3x3"),
        ("basic", "C", "3x3"),
        ("basic", None, "3x3"),
        ("bottleneck", "B", "3x3"),
        ("bottleneck", "B", "1x1"),
        ("bottleneck", "C", "1x1"),
    ],
)
def test_forward_pass_equals_numpy_from_the_paper(block, shortcut, stride_in):
    model = keras_resnet.ResNet(
        block,
        (2, 2),
        widths=(4, 8),
        stem="cifar",
        input_shape=(9, 7, 3),  # odd: padding on the wrong side would show
        classes=5,
        residual=shortcut is not None,
        shortcut=shortcut or "A",
        stride_in=stride_in,
    )
    randomize(model)
    images = np.random.default_rng(2).integers(0, 256, (2, 9, 7, 3))
    expected = np_net(model, images, block, (2, 2), shortcut, stride_in)
    np.testing.assert_allclose(model(images.astype("float32")), expected, rtol=2e-4)


def test_imagenet_stem_pads_both_sides():
    """Against TensorFlow's own operations with the padding of the original written out."""
    model = create_model("resnet18", input_shape=(64, 64, 3), include_preprocessing=False)
    x = tf.random.stateless_uniform((1, 64, 64, 3), (1, 2))
    kernel = model.get_layer("stem_conv").kernel
    y = tf.nn.conv2d(tf.pad(x, [[0, 0], [3, 3], [3, 3], [0, 0]]), kernel, 2, "VALID")
    y = tf.nn.relu(y / np.sqrt(1 + 1e-5))
    y = tf.nn.max_pool2d(y, 3, 2, [[0, 0], [1, 1], [1, 1], [0, 0]])
    part = keras.Model(model.input, model.get_layer("stem_pool").output)
    assert part.output_shape == (None, 16, 16, 64)
    np.testing.assert_allclose(part(x), y, rtol=1e-5, atol=1e-5)


def test_he_initialisation():
    kernel = create_model("resnet18").get_layer("stage4_block2_conv2").kernel.numpy()
    fan_in = 3 * 3 * 512
    assert kernel.std() == pytest.approx(np.sqrt(2 / fan_in), rel=0.005)
    assert abs(kernel.mean()) < 1e-4
    assert np.abs(kernel).max() > 3 * kernel.std()  # a truncated normal ends at two deviations


# ---------------------------------------------------------------------------------------------
# Input, saving, precision, backends


@pytest.mark.parametrize("kind", ["number", "channel", "pixel"])
def test_normalization(kind, photos):
    random = np.random.default_rng(3)
    shape = {"number": (), "channel": (3,), "pixel": (32, 32, 3)}[kind]
    mean, std = random.uniform(100, 140, shape), random.uniform(40, 80, shape)
    model = create_model("resnet20_cifar", mean=mean, std=std)
    layer = keras.Model(model.input, model.get_layer("normalization").output)
    np.testing.assert_allclose(layer(photos), (photos - mean) / std, rtol=1e-4, atol=1e-4)
    bare = create_model("resnet20_cifar", include_preprocessing=False)
    bare.set_weights(model.get_weights())
    np.testing.assert_allclose(bare((photos - mean) / std), model(photos), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize(
    "mean",
    [exhaustive(100), exhaustive(tuple(range(1, 4))), np.full((32, 32, 3), 9.5)],
    ids=["number", "channel", "pixel"],
)
@pytest.mark.parametrize("name", few(["resnet20_cifar", "plainnet20_cifar"], "resnet20_cifar"))
def test_saved_model_and_keras_file_give_the_same_outputs(name, mean, photos, tmp_path):
    model = create_model(name, mean=mean)
    randomize(model)
    expected = model(photos).numpy()

    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded) is keras_resnet.Model
    np.testing.assert_array_equal(loaded(photos), expected)

    model.save(tmp_path / "model")
    served = tf.saved_model.load(tmp_path / "model")
    np.testing.assert_allclose(served.serve(photos.astype("float32")), expected, rtol=1e-5, atol=1e-7)
    signature = served.signatures["serving_default"](tf.constant(photos, tf.float32))
    np.testing.assert_allclose(*signature.values(), expected, rtol=1e-5, atol=1e-7)


def test_saving_twice_overwrites_a_saved_model_and_nothing_else(tmp_path):
    model = create_model("resnet20_cifar")
    model.save(tmp_path / "model")
    model.save(tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("precious")
    with pytest.raises(FileExistsError, match="photos exists and is not a SavedModel"):
        model.save(tmp_path / "photos")
    with pytest.raises(FileExistsError, match="model exists; choose another name, or pass overwrite=True"):
        model.save(tmp_path / "model", overwrite=False)
    assert (tmp_path / "photos" / "cat.jpg").read_text() == "precious"


@pytest.mark.parametrize("name", ["net", "net.keras"])
def test_a_tilde_is_the_home_folder(name, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "home").mkdir()
    create_model("resnet20_cifar", depths=(1,), widths=(4,)).save(f"~/{name}")
    assert [path.name for path in tmp_path.iterdir()] == ["home"]
    assert (tmp_path / "home" / name).exists()


def test_head_is_float32_under_mixed_precision(photos):
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = create_model("resnet20_cifar")
    finally:
        keras.config.set_dtype_policy("float32")
    assert model.get_layer("stage1_block1_conv1").compute_dtype == "bfloat16"
    assert model.get_layer("normalization").compute_dtype == "float32"
    assert {model.get_layer(name).compute_dtype for name in ("avg_pool", "logits", "predictions")} == {"float32"}
    assert model(photos).dtype == tf.float32
    assert {variable.dtype for variable in model.variables} == {"float32"}


def test_include_top_pooling_and_input_tensor():
    features = keras_resnet.ResNet18(include_top=False)
    assert features.input_shape == (None, None, None, 3)
    assert features(np.zeros((1, 65, 96, 3))).shape == (1, 3, 3, 512)
    for pooling in ("avg", "max"):
        assert keras_resnet.ResNet18(include_top=False, pooling=pooling).output_shape == (None, 512)
    image = keras.Input((64, 64, 3))
    model = keras_resnet.ResNet18(input_tensor=image * 2, classes=7)
    assert model.input_shape == (None, 64, 64, 3)
    assert model.output_shape == (None, 7)
    logits = keras_resnet.ResNet20Cifar(classifier_activation=None)
    assert logits.layers[-1].name == "logits"


def test_weights_from_a_file(photos, tmp_path):
    model = create_model("resnet20_cifar")
    randomize(model)
    model.save_weights(tmp_path / "net.weights.h5")
    loaded = create_model("resnet20_cifar", weights=str(tmp_path / "net.weights.h5"))
    np.testing.assert_array_equal(loaded(photos), model(photos))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (dict(shortcut="E"), "Unknown shortcut 'E'; available: 'A', 'B', 'C', 'D'"),
        (dict(block="botleneck"), "did you mean 'bottleneck'"),
        (dict(stem="imagenett"), "did you mean 'imagenet'"),
        (dict(stride_in="2x2"), "Unknown stride_in"),
        (dict(include_top=False, pooling="mean"), "Unknown pooling 'mean'"),
        (dict(clases=3), "did you mean 'classes'"),
        (dict(classes=0), "classes=0 must be"),
        (dict(classes=1), "outputs 1 for every image"),
        (dict(depths=(1, 2)), "must have one number for each stage"),
        (dict(reduce_first=100), "no filters; raise widths, stem_width or base_width, or lower reduce_first"),
        (dict(block="bottleneck", base_width=1), "no filters; raise widths"),
        (dict(groups=32), "groups=32 has no effect without block='bottleneck'"),
        (dict(base_width=4), "base_width=4 has no effect without block='bottleneck'"),
        (dict(stride_in="1x1"), "stride_in='1x1' has no effect without block='bottleneck'"),
        (dict(norm="group_norm"), "needs multiples of 32 channels, not the 16 of stem; change widths, stem_width"),
        (dict(features=("C3", "C5")), "Unknown feature 'C5'; available: 'C2', 'C3', 'C4'"),
        (dict(features=()), "features=.* must be True, False, or different names"),
        (dict(features="C3"), "features='C3' must be True, False, or different names"),
        (dict(stem="deep", stem_width=1), "no filters; raise widths"),
        (dict(block=["basic"]), "one for each of 3 stages"),
        (dict(block=["basic", "basic", "bottelneck"]), "did you mean 'bottleneck'"),
        (dict(depths=(1, 2, 0)), "must be a list of positive integers"),
        (dict(input_shape=(32, 32)), "must be .height, width, channels."),
        (dict(input_shape=(0, 32, 3)), "must be .height, width, channels."),
        (dict(stem="imagenet", input_shape=(31, 32, 3)), "must be at least 32x32"),
        (dict(mean=(1, 2)), "mean has the shape"),
        (dict(std=0), "std must be above 0"),
        (dict(drop_path=1.5), "drop_path=1.5 must be"),
        (dict(se_ratio=0.5), "se_ratio=0.5 has no effect without attention='se'"),
        (dict(output_stride=4), "Unknown output_stride 4"),
        (dict(layout="keras_v2"), "needs preactivation"),
        (dict(anti_alias="blur", preactivation=True), "does not work with preactivation"),
        (dict(input_tensor=np.zeros((1, 32, 32, 3))), "must be a Keras tensor"),
        (dict(weights="nowhere.weights.h5"), "nowhere.weights.h5"),
    ],
)
def test_bad_options_are_one_clear_sentence(options, message):
    with pytest.raises((ValueError, FileNotFoundError), match="(?s)" + message) as caught:
        create_model("resnet20_cifar", **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "options", "sizes"),
    [
        ("resnet18", {}, {"C2": 16, "C3": 8, "C4": 4, "C5": 2}),
        ("resnet18", {"output_stride": 16}, {"C2": 16, "C3": 8, "C4": 4, "C5": 4}),
        ("resnet18", {"output_stride": 8}, {"C2": 16, "C3": 8, "C4": 8, "C5": 8}),
        ("resnetv2_18", {"output_stride": 8}, {"C2": 16, "C3": 8, "C4": 8, "C5": 8}),
        ("resnet20_cifar", {}, {"C2": 64, "C3": 32, "C4": 16}),
    ],
)
def test_features_and_output_stride(name, options, sizes):
    model = create_model(name, features=True, input_shape=(64, 64, 3), **options)
    assert {level: output.shape[1] for level, output in model(np.zeros((1, 64, 64, 3))).items()} == sizes


@pytest.mark.parametrize("input_shape", [(None, None, 3), (97, 65, 3)])
def test_feature_info(input_shape, tmp_path):
    """The strides are those of the paper's table 1, and with `output_stride` those that it allows."""
    model = create_model("resnet18", features=True, input_shape=input_shape)
    expected = [("C2", 4, 64), ("C3", 8, 128), ("C4", 16, 256), ("C5", 32, 512)]
    assert list(model.feature_info) == expected
    dilated = create_model("resnet18", features=True, input_shape=input_shape, output_stride=8)
    assert [feature.stride for feature in dilated.feature_info] == [4, 8, 8, 8]
    model.save(tmp_path / "backbone.keras")
    assert list(keras.saving.load_model(tmp_path / "backbone.keras").feature_info) == expected
    classifier = create_model("resnet20_cifar")
    assert classifier.feature_info is None
    assert keras_resnet.Model(classifier.inputs, {"scores": classifier.output}).feature_info is None


def test_strides_of_features_whose_size_is_rounded_down():
    """The average pools of timm's anti-aliasing drop the last row of 115 in the stem."""
    model = create_model("resnetaa50", features=True, input_shape=(230, 230, 3))
    assert model.output["C2"].shape[1] == 57
    assert [feature.stride for feature in model.feature_info] == [4, 8, 16, 32]


def test_some_features_have_the_values_of_all_and_no_later_stages(photos, tmp_path):
    everything = create_model("resnet20_cifar", features=True)
    randomize(everything)
    everything.save(tmp_path / "net.keras")
    some = create_model("resnet20_cifar", features=("C3", "C2"), weights=tmp_path / "net.keras")
    assert [feature.name for feature in some.feature_info] == ["C2", "C3"]
    assert not any(layer.name.startswith("stage3") for layer in some.layers)
    expected = everything(photos)
    for name, values in some(photos).items():
        np.testing.assert_array_equal(values, expected[name])


def test_dilation_keeps_the_weights_and_the_answers_at_full_stride():
    """Past the output stride, every second position of the dilated features is the undilated net's (Yu 2015)."""
    image = np.random.default_rng(0).uniform(0, 255, (1, 64, 64, 3))
    plain = create_model("resnet18", include_top=False, input_shape=(64, 64, 3))
    randomize(plain)
    dilated = create_model("resnet18", include_top=False, input_shape=(64, 64, 3), output_stride=16)
    dilated.set_weights(plain.get_weights())
    np.testing.assert_allclose(dilated(image)[:, ::2, ::2], plain(image), rtol=1e-3, atol=1e-3)


def test_drop_path_drops_whole_branches_of_single_examples():
    keras.utils.set_random_seed(0)
    model = create_model("resnet20_cifar", drop_path=0.5)
    rates = [layer.rate for layer in model.layers if layer.name.endswith("drop_path")]
    np.testing.assert_allclose(rates, np.arange(1, 9) / 8 * 0.5)  # linear; the first block's is 0
    layer = model.get_layer("stage3_block3_drop_path")
    dropped = layer(np.ones((1000, 4, 4, 2), "float32"), training=True).numpy()
    whole = dropped.reshape(1000, -1)
    assert ((whole == 0).all(1) | (whole == 2).all(1)).all()
    assert 0.4 < (whole[:, 0] == 0).mean() < 0.6
    np.testing.assert_array_equal(layer(dropped, training=False), dropped)


@pytest.mark.parametrize(
    ("options", "layer", "kind"),
    [
        (dict(norm="group_norm", widths=(32, 64, 64)), "stage1_block1_gn1", keras.layers.GroupNormalization),
        (dict(norm="sync_batch_norm"), "stage1_block1_bn1", keras.layers.BatchNormalization),
        (dict(activation="swish"), "stage1_block1_relu1", keras.layers.Activation),
        (dict(dropout=0.3), "dropout", keras.layers.Dropout),
        (dict(block_dropout=0.3), "stage1_block1_dropout", keras.layers.Dropout),
        (dict(attention="se", se_ratio=0.25), "stage1_block1_se_reduce", keras.layers.Conv2D),
        (dict(anti_alias="blur"), "stage2_block1_blur1", keras_resnet.layers.BlurPool),
    ],
)
def test_options_reach_their_layers_and_survive_saving(options, layer, kind, photos, tmp_path):
    model = create_model("resnet20_cifar", **options)
    assert isinstance(model.get_layer(layer), kind)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(loaded(photos), model(photos), rtol=1e-6)


def test_unknown_model_lists_the_near_ones():
    with pytest.raises(ValueError, match="Unknown model 'resnet51'; did you mean 'resnet50'"):
        create_model("resnet51")


def test_models_with_weights():
    weighted = keras_resnet.list_models("*cifar", pretrained=True)
    assert weighted == ["resnet20_cifar", "resnet32_cifar", "plainnet20_cifar", "resnet12_fast_cifar"]


def test_constructors_have_real_signatures():
    applications = list(inspect.signature(keras.applications.ResNet50).parameters)
    for name, variant in (("ResNet50", "resnet50"), ("ResNet20Cifar", "resnet20_cifar")):
        constructor = getattr(keras_resnet, name)
        parameters = inspect.signature(constructor).parameters
        assert list(parameters)[: len(applications)] == applications
        assert parameters["weights"].default is None
        assert parameters["classes"].default == VARIANTS[variant].get("classes", 1000)
        assert parameters["name"].default == variant
        assert constructor.__name__ == name
        assert f"keras_resnet.{name}()" in constructor.__doc__
    with pytest.raises(TypeError, match="clases"):
        keras_resnet.ResNet50(clases=3)


@pytest.mark.parametrize("package", [keras_resnet, keras_resnet.models])
def test_every_variant_has_a_constructor(package):
    constructors = [
        getattr(package, name) for name in dir(package) if re.match("(SE|ECA|Plain|Wide|Test)?(Res)?Ne[Xtx]t?", name)
    ]
    built = [inspect.signature(function).parameters["name"].default for function in constructors]
    assert sorted(built) == sorted([*VARIANTS, "resnet"])  # and the builder itself


def test_constructors_can_be_imported_by_name():
    from keras_resnet import ResNet50
    from keras_resnet.models import ResNet50 as SameResNet50

    assert ResNet50 is SameResNet50 is keras_resnet.ResNet50


@pytest.mark.parametrize(("data_format", "shortcut"), [exhaustive("channels_last", "B"), ("channels_first", "A")])
def test_builds_on_jax_with_the_same_outputs(data_format, shortcut, photos, tmp_path):
    pytest.importorskip("jax", reason="needs jax, of the test extra")
    model = create_model("resnet20_cifar", shortcut=shortcut)
    randomize(model)
    model.save_weights(tmp_path / "net.weights.h5")
    np.save(tmp_path / "photos.npy", photos)
    shape = (32, 32, 3) if data_format == "channels_last" else (3, 32, 32)
    axes = (0, 1, 2, 3) if data_format == "channels_last" else (0, 3, 1, 2)
    code = f"""
import keras, keras_resnet, numpy as np, sys
from keras_resnet.runtimes.keras_model import KerasArtifact
keras.config.set_image_data_format({data_format!r})
model = keras_resnet.ResNet20Cifar(weights="net.weights.h5", shortcut={shortcut!r}, input_shape={shape})
np.save("out.npy", keras.ops.convert_to_numpy(model(np.load("photos.npy").transpose({axes}))))
np.save("predicted.npy", KerasArtifact(model, None)(np.load("photos.npy")))
try:
    model.recompute_blocks = True
except ValueError as error:
    assert str(error) == "recompute_blocks needs the TensorFlow backend.", error
else:
    raise AssertionError("recompute_blocks was accepted")
assert "tensorflow" not in sys.modules, "TensorFlow was imported"
"""
    run_on_jax(code, tmp_path)
    for outputs in ("out.npy", "predicted.npy"):
        np.testing.assert_allclose(np.load(tmp_path / outputs), model(photos), rtol=1e-3, atol=1e-6)


@pytest.fixture
def channels_first():
    keras.config.set_image_data_format("channels_first")
    yield
    keras.config.set_image_data_format("channels_last")


def test_default_sizes_with_channels_first(channels_first):
    assert create_model("resnet20_cifar").input_shape == (None, 3, 32, 32)
    assert create_model("resnet18", input_shape=(3, None, None)).input_shape == (None, 3, None, None)
    with pytest.raises(ValueError, match="input_shape=\\(None, 32, 32\\)"):
        create_model("resnet18", input_shape=(None, 32, 32))


@pytest.mark.parametrize("shape", [(3,), (32, 32, 3)])
def test_normalization_with_channels_first_is_told_with_channels_last(shape, channels_first):
    mean = np.arange(1.0, 1 + np.prod(shape)).reshape(shape)
    found = get_normalization(create_model("resnet20_cifar", depths=(1,), widths=(4,), mean=mean, std=mean + 5))
    for statistic, expected in zip(found, (mean, mean + 5), strict=True):
        np.testing.assert_allclose(statistic, expected)


def test_input_shape_none_is_the_default():
    assert create_model("resnet20_cifar", input_shape=None).input_shape == (None, 32, 32, 3)
    assert keras_resnet.ResNet20Cifar(weights="cifar10", input_shape=None).input_shape == (None, 32, 32, 3)
    assert create_model("resnet18", input_shape=None).input_shape == (None, 224, 224, 3)


@pytest.mark.parametrize("softmax", [keras.ops.softmax, tf.nn.softmax, keras.activations.softmax])
def test_functions_are_activations_as_their_names_are(softmax):
    """Their outputs are probabilities, not logits for another softmax."""
    model = create_model("resnet20_cifar", depths=(1,), widths=(4,), classifier_activation=softmax)
    scores = np.eye(10)[:2]
    assert ends_in_softmax(model)
    np.testing.assert_array_equal(to_probabilities(model, scores), scores)


def test_multiply_adds_of_other_convolutions():
    images = keras.Input((8, 6, 3))
    x = keras.layers.DepthwiseConv2D(3, depth_multiplier=2, padding="same")(images)
    x = keras.layers.SeparableConv2D(5, 3, strides=2, padding="same")(x)
    model = keras.Model(images, x)
    outputs = [(8 * 6, 3 * 3 * 6), (4 * 3, 3 * 3 * 6 + 6 * 5)]  # positions, and multiply-adds at each
    assert keras_resnet.multiply_adds(model) == sum(positions * weights for positions, weights in outputs)
    assert activations(model) == 8 * 6 * 6 + 4 * 3 * 5
    enlarged = keras.layers.Conv2DTranspose(4, 3, name="up")(x)
    with pytest.raises(ValueError, match="up is a Conv2DTranspose, whose operations are not counted"):
        keras_resnet.multiply_adds(keras.Model(images, enlarged))


def test_weighted_layers_are_the_depth_of_the_name():
    model = create_model("seresnet50", input_shape=(32, 32, 3))
    assert weighted_layers(model) == 50
    assert weighted_layers(keras.Sequential([model, keras.layers.Dense(2)])) == 51


def test_multiply_adds_need_a_size():
    with pytest.raises(ValueError, match="resnet18 has a variable input size; build it with input_shape"):
        keras_resnet.multiply_adds(create_model("resnet18", input_shape=(None, None, 3)))
    images = keras.Input((8, 8, 3))
    inner = keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3)], name="inner")
    with pytest.raises(ValueError, match=r"has a variable output size .* build the model inside with input_shape"):
        keras_resnet.multiply_adds(keras.Model(images, inner(images)))
