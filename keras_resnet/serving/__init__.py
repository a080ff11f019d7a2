"""An HTTP service for exported models. It needs neither Keras nor TensorFlow."""
