"""`python -m keras_resnet` is the command `keras-resnet`."""

from keras_resnet.commands.main import main

if __name__ == "__main__":
    main()
