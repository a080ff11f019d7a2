"""Records what a run's network says, for the tests of its packaged weights.

    PYTHONPATH=. .venv/bin/python tests/golden/record_packaged.py RUN NAME

The logits of RUN/final.keras for `images()`, by Keras alone and in float32, go to tests/golden/packaged_logits.json
under NAME, the name of the packaged file.
"""

import json
import pathlib
import sys

import numpy as np

TARGET = pathlib.Path(__file__).with_name("packaged_logits.json")
COUNT, SIZE = 8, 32


def images() -> np.ndarray:
    """Eight images (8, 32, 32, 3) in 0 to 255: waves of a color, direction and length of their own."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIZE, :SIZE] / SIZE
    color, amplitude = random.uniform(60, 195, (COUNT, 1, 1, 3)), random.uniform(-60, 60, (COUNT, 1, 1, 3))
    slopes = random.uniform(-12, 12, (COUNT, 2, 1, 1, 1))
    waves = np.sin(slopes[:, 0] * rows[..., None] + slopes[:, 1] * columns[..., None])
    return (color + amplitude * waves).astype("float32")


def main():
    import keras

    import keras_resnet  # noqa: F401 (registers its layers)

    run, name = sys.argv[1:]
    saved = keras.saving.load_model(pathlib.Path(run) / "final.keras", compile=False)
    config = json.dumps(saved.get_config()).replace("mixed_bfloat16", "float32")  # which rounds by up to 4e-3
    trained = type(saved).from_config(json.loads(config))
    trained.set_weights(saved.get_weights())
    logits = keras.Model(trained.inputs, trained.get_layer("logits").output).predict(images(), verbose=0)
    golden = json.loads(TARGET.read_text(encoding="utf-8")) if TARGET.exists() else {}
    golden[name] = [[round(float(logit), 5) for logit in row] for row in logits]
    TARGET.write_text(json.dumps(golden).replace("[[", "[\n [").replace("], ", "],\n ") + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
