"""Training one model on several devices and workers, under `tf.distribute`."""
