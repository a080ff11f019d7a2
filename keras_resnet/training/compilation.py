"""TODO training.compilation."""

import keras
from keras.losses import CategoricalCrossentropy, SparseCategoricalCrossentropy

from keras_resnet.models.model import ends_in_softmax


def compile_for(model, recipe):
    """Compiles with SGD, cross-entropy, and the paper's weight decay on every trainable weight."""
    for variable in model.trainable_variables:
        # Keras's L2 has no 1/2. As variables' regularizers they enter the loss, not the saved model.
        variable.regularizer = keras.regularizers.L2(recipe.weight_decay / 2) if recipe.weight_decay else None
    model.compile(
        optimizer=keras.optimizers.SGD(recipe.learning_rate, momentum=recipe.momentum, nesterov=recipe.nesterov),
        loss=(CategoricalCrossentropy if recipe.soft_labels else SparseCategoricalCrossentropy)(
            from_logits=not ends_in_softmax(model)
        ),
        metrics=["accuracy"],
    )
    model.optimizer.build(model.trainable_variables)
