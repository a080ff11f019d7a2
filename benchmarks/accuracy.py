"""How long it takes to an accuracy: a short training on CIFAR-10.

    python benchmarks/accuracy.py --cifar=TFDS [--only=REGEX] [--quick]

TFDS is a folder of TensorFlow Datasets that has CIFAR-10. ResNet-20 trains for 5 epochs by the recipe cifar_quick,
which takes about six minutes on two cores. The time includes validation, and starts before the first step is compiled.
"""

import pathlib
import tempfile
import time

from program import CIFAR, Benchmark, or_small
from rounds import Numbers

GOALS = (0.5, 0.6, 0.7)  # validation accuracies
EPOCHS = 5


def time_to_accuracy() -> Numbers:
    """Seconds to each goal that the validation accuracy of an epoch reaches, and of the run; its test accuracy."""
    import keras

    import keras_resnet

    reached = {}

    class Clock(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            for goal in GOALS:
                if logs["val_accuracy"] >= goal:
                    reached.setdefault(f"s to {100 * goal:.0f} % of validation", time.perf_counter() - start)

    recipe = keras_resnet.get_recipe("cifar_quick", epochs=or_small(EPOCHS, 1), precision="mixed_bfloat16")
    data = keras_resnet.load_data("cifar10", recipe, data_dir=CIFAR.value)
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        result = keras_resnet.train(
            "resnet20_cifar", data, recipe, pathlib.Path(folder, "run"), callbacks=[Clock()], verbose=0
        )
        total = time.perf_counter() - start
    return {"s of the run": total, "% of test images": 100 * result.accuracy, **reached}


BENCHMARK = Benchmark(
    __file__,
    f"Time to accuracy: ResNet-20 on CIFAR-10 for {EPOCHS} epochs by the recipe cifar_quick, in bfloat16. The time "
    "includes compilation and validation; the run's also the final test.",
    once={"resnet20, cifar_quick": time_to_accuracy},
    needs=["cifar"],
)

if __name__ == "__main__":
    BENCHMARK.start()
