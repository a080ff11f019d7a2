"""Training losses: cross-entropy for class numbers and for soft labels."""

import keras


def cross_entropy(soft_labels: bool, from_logits: bool) -> keras.losses.Loss:
    """Cross-entropy, averaged over the batch.

    Args:
        soft_labels: whether labels are rows of probabilities (batch, classes), as mixup, CutMix and label smoothing
            make them, instead of class numbers (batch,).
        from_logits: whether the model returns logits instead of probabilities.

    Example:
        >>> from keras_resnet.training.losses import cross_entropy
        >>> cross_entropy(soft_labels=False, from_logits=True).name
        'sparse_categorical_crossentropy'
    """
    loss = keras.losses.CategoricalCrossentropy if soft_labels else keras.losses.SparseCategoricalCrossentropy
    return loss(from_logits=from_logits)
