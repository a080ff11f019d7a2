"""evaluate: counts and protocols compared with slow NumPy code written from the papers."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from keras_resnet import Recipe, ResNet, create_model, evaluate, load_data
from keras_resnet.evaluation.classification import Result, _ranks
from keras_resnet.evaluation.protocols import _grouped
from keras_resnet.models.surgery import fully_convolutional
from keras_resnet.runtimes.decoding import read_image
from keras_resnet.transforms.views import View, resize_to_cover
from tests.marks import exhaustive
from tests.photos import scene, write_scenes


@pytest.fixture(scope="module")
def data():
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (300, 32, 32, 3)).astype("uint8")
    return load_data(((images[:10], np.arange(10)), (images, random.integers(0, 10, 300))))


@pytest.fixture(scope="module")
def model():
    keras.utils.set_random_seed(0)
    return create_model("resnet20_cifar")


def test_counts_are_numpys(model, data, tmp_path, monkeypatch):
    scores = np.concatenate([model(data.test.images[i : i + 100]) for i in range(0, 300, 100)])
    rank = (scores > scores[np.arange(300), data.test.labels][:, None]).sum(1)
    result = evaluate(model, data)
    assert (result.split, result.images) == ("test", 300)
    assert (result.top1_correct, result.top5_correct) == ((rank < 1).sum(), (rank < 5).sum())
    assert result.accuracy == result.top1_correct / 300
    assert evaluate(model, data, "train").images == 10

    monkeypatch.setenv("HOME", str(tmp_path))
    result.write_classes("~/classes.csv")
    lines = (tmp_path / "classes.csv").read_text().splitlines()
    assert lines[0] == "class,images,correct,accuracy"
    for label, line in enumerate(lines[1:]):
        mine = data.test.labels == label
        right = (rank[mine] < 1).sum()
        assert line == f"{label},{mine.sum()},{right},{right / mine.sum():.4f}"


def test_flip_averages_the_probabilities_of_both_images(model, data):
    images = data.test.images
    both = [model.predict(views, batch_size=100, verbose=0).astype("float64") for views in (images, images[:, :, ::-1])]
    result = evaluate(model, data, protocol="flip")
    assert result.top1_correct == (np.mean(both, axis=0).argmax(1) == data.test.labels).sum()
    assert result.protocol == "whole 32x32 image and its mirror image, probabilities averaged"


def test_mistakes_are_one_clear_sentence(model, data):
    with pytest.raises(ValueError, match="has no split 'validation'; it has train, test"):
        evaluate(model, data, "validation")
    with pytest.raises(ValueError, match="Unknown protocol '10_crop'; did you mean 'ten_crop'"):
        evaluate(model, data, protocol="10_crop")
    with pytest.raises(ValueError, match="has 10 classes; build it with classes=10"):
        evaluate(create_model("resnet20_cifar", classes=7), data)
    broken = create_model("resnet20_cifar")
    broken.get_layer("logits").bias.assign([np.nan] * 10)
    with pytest.raises(ValueError, match="not finite"):
        evaluate(broken, data)


CLASSES = ["ant", "bee", "cat", "dog", "eel", "fly"]
RECIPE = Recipe(image_size=32, crop_fraction=0.8)


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    """24 validation photos of three sizes, and one invalid file."""
    folder = tmp_path_factory.mktemp("photos")
    write_scenes(folder / "train", CLASSES, 2)
    write_scenes(folder / "val", CLASSES, 4)
    (folder / "val" / "cat" / "zzz.jpg").write_bytes(b"no photo")
    return load_data(folder, RECIPE)


@pytest.fixture(scope="module", params=[None, exhaustive("softmax")])
def net(request):
    """A small net with logits or probabilities as outputs."""
    keras.utils.set_random_seed(1)
    model = ResNet(
        "basic", (1, 1), widths=(8, 16), input_shape=(32, 32, 3), classes=6, classifier_activation=request.param
    )
    model.get_layer("logits").kernel.assign(10 * model.get_layer("logits").kernel)  # so that views differ
    return model


def softmax(scores):
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def probabilities(net, images):
    scores = np.asarray(net(np.stack(images)), "float64")
    return scores if net.layers[-1].activation is keras.activations.softmax else softmax(scores)


def slow(net, photos, scores_of):
    """(labels, probabilities) by a loop over the files: `scores_of` each image."""
    labels, scores = [], []
    for index in range(len(photos.validation)):
        path = photos.validation.folder / photos.validation.paths[index]
        if path.name != "zzz.jpg":
            labels.append(photos.validation.labels[index])
            scores.append(scores_of(read_image(path)))
    return np.array(labels), np.array(scores)


def at_short_side(image, short):
    """The package's own resize; tests/transforms/test_views.py compares it with Pillow's."""
    return np.asarray(resize_to_cover(tf.constant(image), (short, short)))


def ten_crops(image):
    """Krizhevsky et al. 2012, section 4.1: the four corner patches and the center patch, and their reflections."""
    height, width, _ = image.shape
    middle = round((height - 32) / 2), round((width - 32) / 2)
    corners = [(0, 0), (0, width - 32), (height - 32, 0), (height - 32, width - 32), middle]
    patches = [image[top : top + 32, left : left + 32] for top, left in corners]
    return patches + [np.fliplr(patch) for patch in patches]


def check(result, labels, scores):
    best = np.argsort(-scores, axis=1)
    assert result.images == len(labels) == 24
    assert result.top1_correct == (best[:, 0] == labels).sum()
    assert result.top5_correct == (best[:, :5] == labels[:, None]).sum()
    assert [reason for _, reason in result.errors] == [
        "is not an image in a known format (JPEG, PNG, GIF, BMP, WEBP, TIFF, PPM), or its header is damaged"
    ]
    assert result.errors[0][0].endswith("zzz.jpg")


def test_center(net, photos):
    def scores(image):
        return probabilities(net, ten_crops(at_short_side(image, 40))[4:5])[0]

    result = evaluate(net, photos)
    check(result, *slow(net, photos, scores))
    assert "32x32 center crop of short side 40, bilinear, single view" in str(result)
    assert "24 images plus 1 unreadable" in str(result)


@pytest.mark.exhaustive
def test_ten_crop(net, photos):
    def scores(image):
        return probabilities(net, ten_crops(at_short_side(image, 40))).mean(0)

    result = evaluate(net, photos, protocol="ten_crop")
    check(result, *slow(net, photos, scores))
    assert "10-crop of 32x32 from short side 40" in str(result)


def test_multi_scale(net, photos):
    """The last layer slid over the features of the whole image as a 1x1 convolution, its scores averaged over all
    places, softmax, and the mean over the scales."""
    logits = net.get_layer("logits")
    pool = next(layer for layer in net.layers if isinstance(layer, keras.layers.GlobalAveragePooling2D))
    features = tf.function(fully_convolutional(keras.Model(net.input, pool.input)), reduce_retracing=True)

    def scores(image):
        views = []
        for short in (32, 37, 55, 69, 91):
            places = np.asarray(features(at_short_side(image, short)[None]), "float64")[0]
            score_map = places @ logits.kernel.numpy().astype("float64") + logits.bias.numpy()
            views.append(softmax(score_map.mean((0, 1))))
        return np.mean(views, 0)

    labels, expected = slow(net, photos, scores)
    result = evaluate(net, photos, protocol="multi_scale")
    check(result, labels, expected)
    assert "short sides 32, 37, 55, 69, 91" in str(result)


def single_images(shapes):
    """Batches of one image (views, labels, positions), as `multi_scale` resizes them."""
    for position, shape in enumerate(shapes):
        yield tf.zeros((1, 1, *shape, 3), tf.uint8), tf.constant([position % 6]), tf.constant([position])


def test_images_of_equal_shape_share_a_batch_of_bounded_size():
    shapes = [(32, 32), (32, 40), (200, 200)] * 20
    batches = list(_grouped(single_images(shapes), batch_pixels=5_000))
    assert sorted(int(position) for *_, positions in batches for position in positions) == list(range(60))
    for views, labels, positions in batches:
        assert {shapes[position] for position in positions.numpy()} == {tuple(views.shape[2:4])}
        np.testing.assert_array_equal(labels, positions % 6)
        assert len(positions) == 1 or np.prod(views.shape[:4]) <= 5_000
    assert sorted(len(positions) for *_, positions in batches) == [1] * 20 + [2, 3, 3, 3, 3, 3, 3] + [4] * 5


def test_the_images_that_wait_for_others_of_their_shape_are_bounded():
    """500 shapes, as of real photos: no batch becomes full."""
    taken, waiting = [], []

    def counted():
        for single in single_images([(32, 32 + number) for number in range(500)]):
            taken.append(32 * single[0].shape[3])
            waiting.append(sum(taken) - sum(given))
            yield single

    given = []
    for views, *_ in _grouped(counted(), batch_pixels=20_000):
        given.append(int(np.prod(views.shape[:4])))
    assert sum(given) == sum(taken)
    assert max(waiting) <= 4 * 20_000 + max(taken)


def test_protocols_differ(net, photos):
    """Otherwise the tests above could not tell them apart."""
    image = at_short_side(scene(64, 48, seed=7), 40)
    views = probabilities(net, ten_crops(image))
    assert np.abs(views - views.mean(0)).max() > 0.01


def test_model_of_any_size_keeps_the_mean_image_as_its_mean():
    mean = np.random.default_rng(0).uniform(0, 255, (32, 32, 3))
    model = create_model("resnet20_cifar", mean=mean, std=1)
    same = create_model("resnet20_cifar", mean=mean.mean((0, 1)), std=1)
    same.set_weights(model.get_weights())
    image = np.random.default_rng(1).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    wide = fully_convolutional(model)
    np.testing.assert_allclose(wide(image), same(image), rtol=1e-4, atol=1e-6)
    assert wide(np.zeros((1, 48, 80, 3), "float32")).shape == (1, 10)


def test_flattened_features_have_no_convolutional_form(data):
    inputs = keras.Input((32, 32, 3))
    flat = keras.Model(inputs, keras.layers.Dense(10)(keras.layers.Flatten()(inputs)), name="flat")
    with pytest.raises(ValueError, match="flat cannot take images of any size"):
        evaluate(flat, data, protocol="multi_scale")


def test_reassessed_labels_are_counted_in_the_order_of_the_file_names(net, photos, tmp_path):
    plain = evaluate(net, photos)
    truth = {path.rpartition("/")[2]: [] for path in photos.validation.paths}
    assert len(truth) < len(photos.validation)  # names repeat over classes: not ImageNet's, so refused by position
    (tmp_path / "real.json").write_text(json.dumps([[int(label)] for label in photos.validation.labels[:-1]]))
    with pytest.raises(ValueError, match="has labels for 24 image files, but the split has 25 images"):
        evaluate(net, photos, real_labels=tmp_path / "real.json")
    assert plain.real_labels_correct is None
    for content, message in (
        (json.dumps([[int(label)] for label in photos.validation.labels]), "some of the 25 images share a name"),
        (json.dumps([1, 2]), "must have a list of labels for each image"),
        ("[[1], [2", r"real\.json is damaged"),
    ):
        (tmp_path / "real.json").write_text(content)
        with pytest.raises(ValueError, match=message):
            evaluate(net, photos, real_labels=tmp_path / "real.json")


def test_reassessed_labels(net, tmp_path):
    """Every second image has no label; the others have the label that the net predicts."""
    write_scenes(tmp_path / "train", CLASSES, 1)
    (tmp_path / "val").mkdir()
    names = [f"ILSVRC2012_val_{number:08d}.JPEG" for number in range(1, 9)]
    for number, name in enumerate(names):
        Image.fromarray(scene(40, 50, seed=number)).save(tmp_path / "val" / name, quality=95)
    (tmp_path / "val.txt").write_text("".join(f"{name} {number % 6}\n" for number, name in enumerate(names)))
    data = load_data(tmp_path, RECIPE)
    view = View((32, 32), 0.8)
    assert data.view == view
    best = [
        int(probabilities(net, ten_crops(at_short_side(read_image(tmp_path / "val" / name), 40))[4:5]).argmax())
        for name in names
    ]
    labels = [[] if number % 2 else [best[number], 5 - best[number]] for number in range(8)]
    (tmp_path / "real.json").write_text(json.dumps(labels))
    assert evaluate(net, data, real_labels=tmp_path / "real.json").real_labels_correct == (4, 4)
    labels[0] = [(best[0] + 1) % 6]
    (tmp_path / "real.json").write_text(json.dumps(labels))
    assert evaluate(net, data, real_labels=tmp_path / "real.json").real_labels_correct == (3, 4)
    net.class_names = [*data.class_names[1:], data.class_names[0]]  # output n stands for the class n + 1
    labels = [[(output + 1) % 6] for output in best]
    (tmp_path / "real.json").write_text(json.dumps(labels))
    assert evaluate(net, data, real_labels=tmp_path / "real.json").real_labels_correct == (8, 8)


def test_class_without_images_has_no_accuracy():
    result = Result("test", 2, 1, None, "whole image", classes=(("cat", 2, 1), ("owl", 0, 0)))
    assert [list(row.values()) for row in result.class_rows()] == [["cat", 2, 1, "0.5000"], ["owl", 0, 0, ""]]


def test_equal_probabilities_rank_in_the_order_of_the_outputs():
    """As a stable sort of all outputs ranks them; a few values, so that most are equal."""
    random = np.random.default_rng(0)
    probabilities, right = random.integers(0, 4, (500, 12)) / 3, random.integers(0, 12, 500)
    probabilities[:20, 3:9] = -np.inf  # classes that are not compared
    order = np.argsort(-probabilities, axis=1, kind="stable")
    np.testing.assert_array_equal(_ranks(probabilities, right), (order == right[:, None]).argmax(axis=1))
