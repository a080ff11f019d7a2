"""What SECURITY.md says of models from strangers."""

import keras
import numpy as np
import pytest

import keras_resnet


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_model_with_a_python_lambda_is_refused_and_not_run(suffix, tmp_path):
    trace, text = tmp_path / "trace", str(tmp_path / "trace")  # Keras saves what the function refers to
    images = keras.Input((8, 8, 3))
    model = keras.Model(images, keras.layers.Lambda(lambda x: (open(text, "a").close(), x)[1])(images))
    model(np.zeros((1, 8, 8, 3)))
    model.save(tmp_path / f"net{suffix}")
    trace.unlink()
    with pytest.raises(ValueError, match=r"cannot be loaded as a Keras model .*Lambda"):
        keras_resnet.load_model(tmp_path / f"net{suffix}")
    assert not trace.exists()
