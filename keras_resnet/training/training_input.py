"""TrainingInput: the data and settings of a run as the batches that `fit` takes."""

import dataclasses
from typing import Any

import keras
import tensorflow as tf

from keras_resnet.data.batches import count_steps, evaluation_batches, training_batches
from keras_resnet.data.loading import Data
from keras_resnet.data.unreadable import UnreadableImages
from keras_resnet.distributed.workers import Worker
from keras_resnet.errors import first_line
from keras_resnet.recipes import Recipe
from keras_resnet.training.checkpoints import Checkpoint
from keras_resnet.training.image_sizes import early_sizes
from keras_resnet.training.memory import out_of_memory_error
from keras_resnet.training.position import run_steps
from keras_resnet.training.throughput import DataTime, measure_data_time
from keras_resnet.transforms.views import center_view


@dataclasses.dataclass(frozen=True)
class TrainingInput:
    """Everything that determines the batches of a run.

    Attributes:
        data: the images.
        recipe: the training setup: batch size, epochs, augmentation, seed.
        augmentation: a Keras layer applied to batches of training images, besides the recipe's augmentation.
        unreadable: collects unreadable images.
        worker: this worker, which gets its shard of each batch.
    """

    data: Data
    recipe: Recipe
    augmentation: keras.layers.Layer | None
    unreadable: UnreadableImages
    worker: Worker

    @property
    def steps_per_epoch(self) -> int:
        """Steps of a full epoch."""
        return count_steps(len(self.data.train), self.recipe.batch_size)

    @property
    def total_steps(self) -> int:
        """Steps of the whole run."""
        return run_steps(self.recipe, len(self.data.train))

    def steps_before(self, checkpoint: Checkpoint | None) -> int:
        """Steps of the run that are complete at a checkpoint; all of them if a callback has stopped this run there."""
        if checkpoint is None:
            return 0
        if checkpoint.state["stopped_of"] == self.total_steps:
            return self.total_steps
        return checkpoint.epoch * self.steps_per_epoch + checkpoint.step

    def training(self, epoch: int, step: int, data_time: DataTime) -> Any:
        """Training batches (images, labels), starting at a step of an epoch (both from 0).

        Args:
            epoch: the first epoch.
            step: the first step within it.
            data_time: adds up the seconds that the batches are waited for.
        """
        classes = len(self.data.class_names)

        def batches_of(shard):
            batches = training_batches(
                self.data.train,
                self.recipe,
                epoch,
                step,
                early_sizes=early_sizes(self.recipe, self.total_steps),
                classes=classes,
                layer=self.augmentation,
                unreadable=self.unreadable,
                shard=shard,
            )
            return measure_data_time(batches, data_time)

        return self.worker.distribute(batches_of)

    def validation(self) -> dict[str, Any]:
        """Arguments of `fit` for the validation images, seen as in a test; none if there are no such images."""
        examples, view = self.data.validation, self.data.view
        if examples is None:
            return {}
        batch_size, classes, soft_labels = self.recipe.batch_size, len(self.data.class_names), self.recipe.soft_labels

        def batches_of(shard):
            batches = evaluation_batches(
                examples, batch_size, lambda image: center_view(image, view)[0], self.unreadable, shard
            )
            return batches.map(
                lambda images, labels, _: (images, tf.one_hot(labels, classes) if soft_labels else labels)
            )

        return dict(
            validation_data=self.worker.distribute(batches_of),
            validation_steps=count_steps(len(examples), batch_size),
        )

    def out_of_memory(self, error: Exception) -> MemoryError:
        """The error to raise for TensorFlow's error about a lack of memory."""
        return out_of_memory_error(self.recipe.batch_size, self.data.image_shape, first_line(error))
