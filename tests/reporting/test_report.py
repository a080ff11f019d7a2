"""report.html and compare.html: their contents, and how a real browser shows them."""

import base64
import dataclasses
import io
import pathlib
import re

import keras
import numpy as np
import pytest
from PIL import Image

import keras_resnet
from keras_resnet.reporting.comparison import accuracy_of, short_names, write_comparison
from keras_resnet.reporting.findings import MistakePicture
from keras_resnet.reporting.page import POLICY
from keras_resnet.reporting.report import write_report
from keras_resnet.run_directory import Run
from tests.browser import running_browser
from tests.reporting.runs import RECIPE, changed, findings, longer, write_run

SIZES = {"cat <b>": 120, "dog": 40}
TINY = keras_resnet.Recipe(epochs=2, batch_size=32, learning_rate=0.01)


def text_of(page: str) -> str:
    """The text of a page, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", page.partition("</style>")[2]).split())


def written(run, found=None) -> str:
    write_report(run, SIZES, found)
    return run.file("report.html").read_text(encoding="utf-8")


def test_the_page_has_all_that_a_run_leaves(tmp_path):
    run = write_run(tmp_path / "run", 4)
    run.file("bad_images.tsv").write_text("image\treason\na&b.jpg\tis empty\n")
    page = written(run, findings())
    text = text_of(page)
    for expected in (
        "resnet20_cifar on arrays",
        "test accuracy 0.9000",
        "Test accuracy 90.00 %",
        "Epochs 4 of 4",
        "Throughput 100 images/s",
        "Training about 6 s",
        "schedule cosine",
        "train images 160",
        "validation images 40",
        "training images of a class 40 (dog) to 120 (cat &lt;b&gt;)",
        "Training images of all 2 classes dog 40 cat &lt;b&gt; 120",
        "1 unreadable images image reason a&amp;b.jpg is empty",
        "class 3 9 1",  # of the confusion matrix
        "cat, taken for dog with 90.00 % image 19",
        "keras-resnet train",
    ):
        assert expected in text, expected
    assert "momentum 0.9" in text.partition("settings with their defaults")[2]  # folded
    assert "cat &lt;b&gt;" in page
    assert page.count("<tr><td>") == 4  # a row for each epoch
    for title in ("Loss", "Error", "Learning rate at the end of the epoch", "Throughput"):
        assert f'aria-label="{title}"' in page
    assert run.file("curves.png").is_file()


def test_sizes_of_classes_may_be_unknown(tmp_path):
    run = write_run(tmp_path / "run", 4)
    write_report(run, {})
    text = text_of(run.file("report.html").read_text(encoding="utf-8"))
    assert "classes 10: 0, 1, 2, 3" in text
    assert "raining images of" not in text


def test_the_page_loads_nothing(tmp_path):
    page = written(write_run(tmp_path / "run", 4), findings())
    assert f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">' in page
    assert POLICY.startswith("default-src 'none'; style-src 'sha256-")
    addresses = re.findall(r'(?:src|href|action)="([^"]*)"', page)
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    assert not re.findall(r"<script|@import|url\(|\son\w+=|\sstyle=", page)
    assert "prefers-color-scheme: dark" in page


def test_a_small_picture_is_exact_and_a_large_one_small(tmp_path):
    run, found = write_run(tmp_path / "run", 4), findings(images=1)
    large = MistakePicture(np.full((300, 400, 3), 128, "uint8"), "large", "cat", "dog", 0.8)
    gray = MistakePicture(np.full((16, 16, 1), 77, "uint8"), "gray", "cat", "dog", 0.8)
    page = written(run, dataclasses.replace(found, mistakes=[*found.mistakes, large, gray]))
    pictures = [
        np.asarray(Image.open(io.BytesIO(base64.b64decode(content))))
        for content in re.findall(r'src="data:image/\w+;base64,([^"]+)"', page)
    ]
    np.testing.assert_array_equal(pictures[0], found.mistakes[0].image)
    assert pictures[1].shape == (120, 160, 3)
    np.testing.assert_array_equal(pictures[2], gray.image[..., 0])


def test_many_classes_have_a_list_in_place_of_the_matrix(tmp_path):
    page = written(write_run(tmp_path / "run", 4), findings(classes=1000))
    assert "The 20 most frequent confusions of 1,000 classes." in page
    assert 'class="matrix"' not in page
    assert len(page) < 200_000


@pytest.mark.parametrize("epochs", [0, 1, 3])
def test_a_run_that_goes_on_is_shown_as_far_as_it_is(epochs, tmp_path):
    text = text_of(written(write_run(tmp_path / "run", epochs)))
    assert f"The run is not complete: epoch {epochs} of 4 ended" in text
    assert "Confusion matrix" not in text
    assert not (tmp_path / "run" / "curves.png").exists()


def test_training_writes_the_page_after_each_epoch_and_at_its_end(shapes, tmp_path):
    pages = []

    class Read(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            pages.append(text_of((tmp_path / "run" / "report.html").read_text()))

    data = keras_resnet.load_data(shapes, class_names=["one", "two", "three", "four"])
    keras.utils.set_random_seed(0)
    model = keras_resnet.ResNet("basic", (1,), widths=(4,), stem="cifar", input_shape=(8, 8, 3), classes=4)
    recipe = dataclasses.replace(TINY, test_protocol="flip")
    result = keras_resnet.train(model, data, recipe, tmp_path / "run", callbacks=[Read()], verbose=0)
    assert "epoch 1 of 2 ended" in pages[0]
    assert "epoch 2 of 2 ended" in pages[1]
    page = text_of((tmp_path / "run" / "report.html").read_text())
    single = keras_resnet.evaluate(model, data)
    content = Run(tmp_path / "run").read_json("result.json")
    assert content["top1_correct"] == result.top1_correct
    assert content["center"]["top1_correct"] == single.top1_correct
    for found in (result, single):
        accuracy = f"{100 * found.top1_accuracy:.2f} %"
        assert f"40 test {accuracy} - {found.protocol}" in page
    assert "training images of a class 30 each" in page
    assert str(result) in page
    for name, images, correct in result.classes:
        assert f"{name} {images} {correct} {100 * correct / images:.2f} %" in page
    assert page.count("taken for") == min(20, result.images - result.top1_correct)


def test_a_page_that_cannot_be_written_does_not_end_the_training(shapes, tmp_path, caplog):
    run = Run(tmp_path / "run")

    class Occupy(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            run.file("report.html").mkdir(exist_ok=True)

    keras.utils.set_random_seed(0)
    model = keras_resnet.ResNet("basic", (1,), widths=(4,), stem="cifar", input_shape=(8, 8, 3), classes=4)
    keras_resnet.train(model, keras_resnet.load_data(shapes), TINY, run.directory, callbacks=[Occupy()], verbose=0)
    assert [message for message in caplog.messages if message == f"{run.file('report.html')} was not written."]
    assert run.file("final.keras").is_file()
    assert len(run.log()) == 2


def test_a_comparison_shows_what_differs_and_by_how_much(tmp_path):
    first = write_run(tmp_path / "a" / "run", 4, accuracy=0.9)
    write_run(tmp_path / "b" / "run", 4, dataclasses.replace(RECIPE, learning_rate=0.02), accuracy=0.915)
    write_run(tmp_path / "c", 1, longer(RECIPE, 8))
    write_comparison([first.directory, tmp_path / "b" / "run", tmp_path / "c"], tmp_path / "compare.html")
    page = (tmp_path / "compare.html").read_text(encoding="utf-8")
    text = text_of(page)
    assert "a/run 4 of 4 90.00 % - 0.95 - 1,000 test images" in text
    assert "b/run 4 of 4 91.50 % +1.50 0.88 - 1,000 test images" in text
    assert "/c 1 of 8 not complete" in text
    differences = text.partition("What differs")[2].partition("Curves")[0]
    assert "learning_rate 0.1 0.02 0.1" in differences
    assert "epochs 4 4 8" in differences
    assert "batch_size" not in differences
    assert page.count("<polyline") == 3 * (2 + 2 + 1 + 1)
    assert "about 6 s" in text
    assert not re.findall(r"<script|\sstyle=", page)


def test_accuracies_on_other_images_are_not_subtracted(tmp_path):
    runs = [write_run(tmp_path / name, 4, accuracy=0.9) for name in "abc"]
    data = runs[0].read_json("recipe.json")["data"]
    for run, images in zip(runs, ("these", "those", "these"), strict=True):
        changed(run, data={**data, "fingerprints": {"test": images}})
    write_comparison([run.directory for run in runs], tmp_path / "compare.html")
    text = text_of((tmp_path / "compare.html").read_text())
    assert "b 4 of 4 90.00 % - 0.95" in text
    assert "c 4 of 4 90.00 % +0.00 0.95" in text


def test_a_run_that_is_being_extended_is_not_complete(tmp_path):
    runs = [write_run(tmp_path / name, 4, accuracy=0.9) for name in ("a", "b")]
    changed(runs[1], recipe={**runs[1].read_json("recipe.json")["recipe"], "epochs": 8}, earlier_epochs=[4])
    write_comparison([run.directory for run in runs], tmp_path / "compare.html")
    assert "b 4 of 8 not complete" in text_of((tmp_path / "compare.html").read_text())


def test_an_extended_run_that_stopped_early_is_complete(tmp_path):
    runs = [write_run(tmp_path / name, 5, longer(RECIPE, 8), accuracy=0.9, earlier_epochs=[4]) for name in ("a", "b")]
    write_comparison([run.directory for run in runs], tmp_path / "compare.html")
    assert "b 5 of 8 90.00 %" in text_of((tmp_path / "compare.html").read_text())


@pytest.mark.parametrize(
    ("commits", "shown"),
    [
        ((40 * "1", 40 * "1" + "-dirty"), "111111111111... 111111111111...-dirty"),
        ((None, 40 * "1"), "- 111111111111..."),
    ],
)
def test_uncommitted_changes_and_unknown_commits_are_a_difference(commits, shown, tmp_path):
    runs = [write_run(tmp_path / name, 4, accuracy=0.9) for name in ("a", "b")]
    for run, commit in zip(runs, commits, strict=True):
        changed(run, environment={"commit": commit})
    write_comparison([run.directory for run in runs], tmp_path / "compare.html")
    assert f"environment.commit {shown}" in text_of((tmp_path / "compare.html").read_text())


def test_runs_on_unknown_images_of_other_names_are_not_subtracted(tmp_path):
    runs = [write_run(tmp_path / name, 4, accuracy=0.9) for name in ("a", "b")]
    for run, file in zip(runs, ("one.npz", "other.npz"), strict=True):
        changed(run, data={"name": file, "train": 100})
    write_comparison([run.directory for run in runs], tmp_path / "compare.html")
    assert "b 4 of 4 90.00 % - 0.95" in text_of((tmp_path / "compare.html").read_text())


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("recipe.json", "{}", r"recipe\.json is damaged, or of another version .*it has no 'recipe'"),
        ("recipe.json", "[]", r"recipe\.json is damaged \(it is no JSON object\)"),
        ("recipe.json", '{"recipe": {"later": 1}}', r"recipe\.json is damaged, or of another version .*later"),
        ("result.json", "{}", r"result\.json is damaged \(it has no accuracy\)"),
    ],
)
def test_damaged_files_of_a_run_are_named(file, content, message, tmp_path):
    runs = [write_run(tmp_path / name, 4, accuracy=0.9) for name in ("a", "b")]
    runs[1].file(file).write_text(content)
    with pytest.raises(ValueError, match=message):
        write_comparison([run.directory for run in runs], tmp_path / "compare.html")


def test_what_cannot_be_compared(tmp_path):
    one, two = write_run(tmp_path / "one", 1), write_run(tmp_path / "two", 1)
    with pytest.raises(ValueError, match="Give two or more run directories to compare"):
        write_comparison([one.directory], tmp_path / "x.html")
    with pytest.raises(ValueError, match="one is given twice"):
        write_comparison([one.directory, tmp_path / "two" / ".." / "one"], tmp_path / "x.html")
    with pytest.raises(FileNotFoundError, match=r"nowhere is not a run directory: it has no recipe\.json"):
        write_comparison([one.directory, tmp_path / "nowhere"], tmp_path / "x.html")
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        write_comparison([one.directory, two.directory], tmp_path / "nowhere" / "x.html")
    with pytest.raises(FileExistsError, match="is a folder; name a file"):
        write_comparison([one.directory, two.directory], tmp_path)
    two.file("log.csv").write_text("epoch\nx\n")
    with pytest.raises(ValueError, match=r"two/log\.csv is damaged"):
        write_comparison([one.directory, two.directory], tmp_path / "x.html")
    assert not (tmp_path / "x.html").exists()


def test_names_are_as_short_as_they_can_be(tmp_path):
    assert short_names([tmp_path / "a", tmp_path / "b"]) == ["a", "b"]
    assert short_names([tmp_path / "a" / "run", tmp_path / "b" / "run"]) == ["a/run", "b/run"]


@pytest.fixture(scope="module")
def browser():
    with running_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The pages of a complete run, of one that goes on, of one with 1,000 classes, and of a comparison."""
    folder = tmp_path_factory.mktemp("pages")
    complete, started = (
        write_run(folder / name, epochs, accuracy=0.9) for name, epochs in (("complete", 4), ("new", 1))
    )
    long_name = "resnet20_cifar-" + "a_very_long_name_of_a_run-" * 4
    large = write_run(folder / long_name, 300, longer(RECIPE, 300), accuracy=0.9)
    write_report(complete, SIZES, findings(classes=20))
    write_report(started, SIZES)
    write_report(large, {f"class {number}": 1300 for number in range(1000)}, findings(classes=1000))
    write_comparison([run.directory for run in (complete, started, large)], folder / "compare.html")
    return {
        **{name: run.file("report.html") for name, run in dict(complete=complete, new=started, large=large).items()},
        "compare": folder / "compare.html",
    }


OVERLAPS = """
const boxes = [...document.querySelectorAll('svg')].flatMap((svg) => {
  const texts = [...svg.querySelectorAll('text')].map((text) => text.getBoundingClientRect());
  return texts.flatMap((a, i) => texts.slice(i + 1).filter((b) =>
    a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 1 && b.top < a.bottom - 1));
});
return boxes.length
"""
OUTSIDE = """
return [...document.querySelectorAll('svg text')].filter((text) => {
  const box = text.getBoundingClientRect(), frame = text.closest('svg').getBoundingClientRect();
  return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
}).map((text) => text.textContent)
"""


@pytest.mark.parametrize("color_scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [320, 375, 800, 1200])
@pytest.mark.parametrize("name", ["complete", "new", "large", "compare"])
def test_a_browser_shows_the_page_without_an_error_or_a_request(name, width, color_scheme, browser, pages):
    browser.emulate(width, 800, color_scheme)
    browser.open(pages[name].as_uri())
    assert browser.run("return document.documentElement.scrollWidth") <= width
    assert browser.messages() == []
    loaded = browser.run("return performance.getEntriesByType('resource').map((entry) => entry.name)")
    assert [address for address in loaded if not address.startswith("data:")] == []
    assert browser.run("return [...document.images].every((image) => image.complete && image.naturalWidth > 0)")
    background, text = browser.run(
        "const style = getComputedStyle(document.body); return [style.backgroundColor, style.color]"
    )
    brightness = [sum(map(int, re.findall(r"\d+", color)[:3])) for color in (background, text)]
    assert (brightness[0] > brightness[1]) == (color_scheme == "light")
    assert browser.run(OVERLAPS) == 0
    assert browser.run(OUTSIDE) == []


def test_runs_of_the_script_for_jax_are_compared(tmp_path):
    results = pathlib.Path(__file__).parents[2] / "results"
    names = ["cifar_he2015/plainnet20_cifar-seed0", "cifar_fast/resnet20_cifar-seed0"]
    runs = write_comparison([results / name for name in names], tmp_path / "compare.html")
    assert [accuracy_of(run.result) for run in runs] == [0.9062, 0.9140]
    assert "91.40 %" in (tmp_path / "compare.html").read_text(encoding="utf-8")
