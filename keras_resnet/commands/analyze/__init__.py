"""The subjects of `keras-resnet analyze`: a row of `SUBJECTS` and a module for each."""
