"""Names that users choose from. This module imports nothing, so `--help` lists them without TensorFlow."""

SPLITS = ("train", "validation", "test")  # their names in TFDS and in this package
PROTOCOLS = ("center", "flip", "ten_crop", "multi_scale")  # of `evaluate`
ON_BAD_IMAGE = ("skip", "error")  # what an unreadable image does to a training
ON_ERROR = ("raise", "skip", "return")  # what an unreadable image does to `predict`
RUNTIMES = ("keras", "saved_model", "litert", "onnx", "openvino")  # keys of runtimes.table.RUNTIMES
INTERPOLATIONS = ("bilinear", "bicubic")  # of test images
IMAGENET_LISTS = ("imagenet-1k", "imagenet-12k", "imagenet-21k")
CLASS_LISTS = (*IMAGENET_LISTS, "cifar10")  # files in the folder class_names
COMPARED_CLASSES = ("all", "data")  # by `evaluate`: all classes of the model, or those of the data
STRATEGIES = ("auto", "one_device", "mirrored", "multi_worker", "tpu")  # keys of distributed.strategies.STRATEGIES
WORKER_TIMEOUT = 600.0  # default of `--worker_timeout`, seconds
PRECISIONS = {  # of the formats of exported models, the keys of exporting.formats.FORMATS
    "saved_model": ("float32",),
    "keras": ("float32",),
    "onnx": ("float32", "int8"),
    "litert": ("float32", "float16", "dynamic", "int8"),
    "openvino": ("float32", "bfloat16", "int8"),
}
