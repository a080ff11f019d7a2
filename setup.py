"""The distribution `resnet-keras`, import name `keras_resnet`."""

import pathlib
import re
import tomllib

from setuptools import find_packages, setup

HERE = pathlib.Path(__file__).parent
VERSION = re.search(r'__version__ = "(.+?)"', (HERE / "keras_resnet/__init__.py").read_text(encoding="utf-8")).group(1)
GROUPS = tomllib.loads((HERE / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]

PLOTS = ["matplotlib>=3.10"]
DEMO = [*PLOTS, "scikit-learn>=1.5"]
BACKENDS = ["jax>=0.7"]
KERAS_CV = ["keras-cv>=0.9"]  # no longer developed: nothing of the package needs it
ONNX = ["onnx>=1.18", "onnxruntime>=1.22", "tf2onnx>=1.17"]
LITERT = ["ai-edge-litert>=2.0"]
OPENVINO = ["openvino>=2025.4", "nncf>=3.0"]
DOCS = ["furo>=2025.9", "myst-parser>=5.0", "sphinx>=9.0"]
RELEASE = [
    "build>=1.3",
    "setuptools>=77",  # builds without isolation need it
    "twine>=6.1",
]
CHECK = [
    *DOCS,
    "codespell>=2.4",
    "import-linter>=2.6",
    "mypy>=1.19",
    "pytest-cov>=7.0",
    "pytest-random-order>=1.2",
    "ruff==0.17.6",  # another version may format otherwise
    "uv>=0.9",  # finds the lowest versions
]
TEST = [
    *DEMO,
    *BACKENDS,
    *KERAS_CV,
    *ONNX,
    *LITERT,
    *OPENVINO,
    *GROUPS["serve"],
    "pytest>=8.2",
    "pytest-timeout>=2.3",
    "pytest-xdist>=3.6",
]

setup(
    name="resnet-keras",
    version=VERSION,
    description="ResNets for Keras: the paper's and today's, trained, tested and shipped",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    license_files=["LICENSE", "NOTICE.md"],
    packages=find_packages(include=["keras_resnet", "keras_resnet.*"]),
    package_data={"keras_resnet": ["py.typed", "*/*.txt", "*/*.json", "*/*.html", "*/*/*.safetensors"]},
    entry_points={"console_scripts": ["keras-resnet = keras_resnet.commands.main:main"]},
    python_requires=">=3.11",
    install_requires=[
        "tensorflow>=2.20",
        "keras>=3.12,<3.16",  # keras_resnet/distributed/keras_internals.py replaces private parts of it
        "tensorboard>=2.20",  # tf.summary needs it; TensorFlow stopped to require it
        "tensorflow-datasets>=4.9.10",
        "importlib_resources>=6.4",  # tensorflow-datasets imports it and does not require it
        *GROUPS["base"],
        "safetensors>=0.4.5",
        "huggingface_hub>=0.30",  # downloads timm's weights
    ],
    extras_require={
        "plots": PLOTS,
        "keras-cv": KERAS_CV,
        "onnx": ONNX,
        "litert": LITERT,
        "openvino": OPENVINO,
        "serve": GROUPS["serve"],
        "demo": DEMO,
        "gpu": ["tensorflow[and-cuda]>=2.20"],
        "docs": DOCS,
        "test": TEST,
        "dev": [*TEST, *CHECK, *RELEASE],
    },
    classifiers=[
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
