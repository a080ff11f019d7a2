"""Networks of this package and of its peers; their training steps and forward passes as functions of nothing."""

import dataclasses
from collections.abc import Callable

import numpy as np
from program import TORCH_PEERS, or_small
from rounds import gpu
from torchvision_import import import_torchvision

CPU_BATCH, GPU_BATCH = 16, 256  # a GPU is busy from some hundred images on
BATCH_HERE = GPU_BATCH if gpu() else CPU_BATCH
SMALL = {"depths": (1, 1, 1, 1), "widths": (8, 8, 16, 16)}  # for --quick


@dataclasses.dataclass(frozen=True)
class Task:
    """What a network computes.

    Attributes:
        network: "resnet50", or "resnet" and the depth of a CIFAR net.
        precision: "float32" or "bfloat16".
        size: height and width of the images.
        batch: images in a batch.
    """

    network: str = "resnet50"
    precision: str = "float32"
    size: int = 224
    batch: int = 16

    @property
    def classes(self) -> int:
        """Classes of the network's data set."""
        return 1000 if self.network == "resnet50" else 10

    @property
    def depth(self) -> int:
        """Layers with weights."""
        return int(self.network.removeprefix("resnet"))

    def images(self) -> tuple[np.ndarray, np.ndarray]:
        """Images in 0 to 255, and labels."""
        random = np.random.default_rng(0)
        images = random.integers(0, 256, (self.batch, self.size, self.size, 3)).astype("float32")
        return images, random.integers(0, self.classes, self.batch)


def imagenet(precision: str = "bfloat16", batch: int = CPU_BATCH, size: int = 224) -> Task:
    """ResNet-50 on photos."""
    return Task("resnet50", precision, or_small(size, 32), or_small(batch, 2))


def cifar(precision: str = "bfloat16", depth: int = 20) -> Task:
    """The paper's CIFAR net on 128 images."""
    return Task(f"resnet{or_small(depth, 8)}", precision, or_small(32, 8), or_small(128, 4))


# ---------------------------------------------------------------------------------------------
# Keras


def ours(task: Task):
    """This package's network; with --quick, ResNet-50 is narrow and has one block in each stage."""
    import keras_resnet

    common = {"input_shape": (task.size, task.size, 3), "classes": task.classes}
    if task.network == "resnet50":
        return keras_resnet.create_model("resnet50", **common, **or_small({}, SMALL))
    return keras_resnet.create_model("resnet20_cifar", depths=((task.depth - 2) // 6,) * 3, **common)


def recomputed(task: Task):
    """This package's network, which computes its blocks again in the backward pass."""
    model = ours(task)
    model.recompute_blocks = True
    return model


def applications(task: Task):
    """ResNet-50 of keras.applications."""
    import keras

    return keras.applications.ResNet50(weights=None, input_shape=(task.size, task.size, 3), classes=task.classes)


def keras_hub(task: Task):
    """ResNet-50 of KerasHub, with probabilities as the others."""
    import keras_hub

    backbone = keras_hub.models.ResNetBackbone(
        input_conv_filters=[64],
        input_conv_kernel_sizes=[7],
        stackwise_num_filters=[64, 128, 256, 512],
        stackwise_num_blocks=[3, 4, 6, 3],
        stackwise_num_strides=[1, 2, 2, 2],
        block_type="bottleneck_block",
        image_shape=(task.size, task.size, 3),
    )
    return keras_hub.models.ResNetImageClassifier(backbone, num_classes=task.classes, activation="softmax")


def stock_layers(task: Task):
    """This package's network with Keras's own layers for convolution and batch normalization."""
    import keras

    import keras_resnet

    def stock(layer):
        for name in ("BatchNormalization", "Conv2D"):
            if type(layer) is getattr(keras_resnet.layers, name):
                return getattr(keras.layers, name).from_config(layer.get_config())
        return layer.__class__.from_config(layer.get_config())

    model = keras.models.clone_model(ours(task), clone_function=stock)
    return keras.Model(model.inputs, model.outputs)


KERAS_PEERS = {
    "ours": ours,
    "ours, recomputed": recomputed,
    "ours, without XLA": ours,
    "keras.applications": applications,
    "keras_hub": keras_hub,
    "stock layers": stock_layers,
}


def keras_model(peer: str, task: Task):
    """The network in the precision of the task."""
    import keras

    keras.config.set_dtype_policy("mixed_bfloat16" if task.precision == "bfloat16" else "float32")
    return KERAS_PEERS[peer](task)


def jit_compile(peer: str, task: Task) -> str | bool:
    """What XLA compiles of a step: on a GPU, Keras's choice; on a CPU, only our elementwise operations in bfloat16."""
    import keras

    if gpu() or keras.backend.backend() == "jax":
        return "auto"
    return "elementwise" if peer in ("ours", "ours, recomputed") and task.precision == "bfloat16" else False


def keras_step(peer: str, task: Task) -> Callable[[], float]:
    """A step of `fit`, whose result is its loss."""
    import keras

    model = keras_model(peer, task)
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(),
        jit_compile=jit_compile(peer, task),
    )
    images, labels = task.images()
    if keras.backend.backend() == "jax":
        return jax_step(model, images, labels)
    import tensorflow as tf

    model.make_train_function()
    iterator = iter(tf.data.Dataset.from_tensors((images, labels)).repeat())
    return lambda: float(model.train_function(iterator)["loss"])


def jax_step(model, images: np.ndarray, labels: np.ndarray) -> Callable[[], float]:
    """A step of `fit` on the JAX backend: the compiled `train_step`, with images that are on the device."""
    import jax

    model.optimizer.build(model.trainable_variables)
    weights = model.trainable_variables, model.non_trainable_variables
    state = jax_values((*weights, model.optimizer.variables, model.metrics_variables))
    batch = jax.device_put((images, labels))
    train_step = jax.jit(model.train_step, donate_argnums=0)

    def step():
        nonlocal state
        logs, state = train_step(state, batch)
        return float(logs["loss"])

    return step


def jax_values(groups) -> list[list]:
    """The values of groups of Keras variables, in memory of their own, since a compiled step takes it."""
    return [[variable.value.copy() for variable in group] for group in groups]


def keras_forward(peer: str, task: Task) -> Callable[[], np.ndarray]:
    """A forward pass in inference, whose result is the probabilities. XLA: only on a GPU."""
    import keras

    model = keras_model(peer, task)
    images = keras.ops.convert_to_tensor(task.images()[0])
    if keras.backend.backend() == "jax":
        import jax

        forward = jax.jit(lambda *inputs: model.stateless_call(*inputs, training=False)[0])
        weights = jax_values((model.trainable_variables, model.non_trainable_variables))
        return lambda: np.asarray(forward(*weights, images), "float32")
    import tensorflow as tf

    forward = tf.function(lambda images: model(images, training=False), jit_compile=bool(gpu()) or None)
    return lambda: forward(images).numpy()


# ---------------------------------------------------------------------------------------------
# PyTorch


def torchvision_resnet(task: Task):
    """ResNet-50 of torchvision."""
    return import_torchvision().models.resnet50(num_classes=task.classes)


def timm_resnet(task: Task):
    """ResNet-50 of timm."""
    import_torchvision()
    import timm

    return timm.create_model("resnet50", num_classes=task.classes)


def torch_cifar_resnet(task: Task):
    """The paper's CIFAR net (section 4.2) in PyTorch, with option A."""
    import torch
    from torch import nn

    class Block(nn.Module):
        def __init__(self, inputs, outputs, stride):
            super().__init__()
            self.conv1 = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
            self.conv2 = nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False)
            self.bn1, self.bn2 = nn.BatchNorm2d(outputs), nn.BatchNorm2d(outputs)
            self.stride, self.new = stride, outputs - inputs

        def forward(self, x):
            y = self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x)))))
            if self.new:
                x = nn.functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.new))
            return torch.relu(x + y)

    blocks, inputs = [], 16
    for outputs in (16, 32, 64):
        for _ in range((task.depth - 2) // 6):
            blocks.append(Block(inputs, outputs, 1 if inputs == outputs else 2))
            inputs = outputs
    stem = (nn.Conv2d(3, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU())
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, task.classes))


TORCH_BUILDERS = dict(zip(TORCH_PEERS, (torchvision_resnet, timm_resnet, torch_cifar_resnet), strict=True))


def torch_model(peer: str, task: Task):
    """(network, its images, labels, device): channels last, and compiled on a GPU."""
    import torch

    device = "cuda" if torch.cuda.is_available() else "cpu"
    images, labels = task.images()
    images = torch.tensor(images / 255).permute(0, 3, 1, 2).contiguous(memory_format=torch.channels_last).to(device)
    model = TORCH_BUILDERS[peer](task).to(device).to(memory_format=torch.channels_last)
    return model, images, torch.tensor(labels).to(device), device


def torch_step(peer: str, task: Task) -> Callable[[], float]:
    """A training step of PyTorch, with autocast in bfloat16."""
    import torch

    model, images, labels, device = torch_model(peer, task)
    model.train()
    forward = torch.compile(model) if device == "cuda" else model
    optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9)

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device, torch.bfloat16, enabled=task.precision == "bfloat16"):
            loss = torch.nn.functional.cross_entropy(forward(images), labels)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def torch_forward(peer: str, task: Task) -> Callable[[], np.ndarray]:
    """A forward pass of PyTorch in inference, with autocast in bfloat16."""
    import torch

    model, images, _, device = torch_model(peer, task)
    model.eval()
    forward = torch.compile(model) if device == "cuda" else model

    def run():
        with torch.inference_mode(), torch.autocast(device, torch.bfloat16, enabled=task.precision == "bfloat16"):
            return forward(images).float().cpu().numpy()

    return run


def training_step(peer: str, task: Task) -> Callable[[], float]:
    """A training step of this package or a peer: forward, backward, and SGD with momentum on a batch in memory."""
    return (torch_step if peer in TORCH_PEERS else keras_step)(peer, task)


def forward_pass(peer: str, task: Task) -> Callable[[], np.ndarray]:
    """A forward pass of this package or a peer in inference, on a batch in memory."""
    return (torch_forward if peer in TORCH_PEERS else keras_forward)(peer, task)
