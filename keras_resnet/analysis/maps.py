"""Where a model looks: Grad-CAM and occlusion of an image, and how well they agree."""

import dataclasses

import numpy as np

from keras_resnet.analysis.grad_cam import GradCam
from keras_resnet.analysis.occlusion import occlusion_map
from keras_resnet.runtimes import Artifact
from keras_resnet.runtimes.occlusion import GRID, patches


@dataclasses.dataclass(frozen=True, eq=False)
class Maps:
    """Where a model sees evidence for a class in an image.

    Attributes:
        label: the class.
        probability: of the class, 0 to 1.
        drops: of that probability when a patch is covered, (grid, grid), as in
            `keras_resnet.analysis.occlusion.OcclusionMap`.
        grad_cam: evidence at each pixel in logits, (height, width), as in
            `keras_resnet.analysis.grad_cam.GradCamMaps`; None without it.
    """

    label: int
    probability: float
    drops: np.ndarray
    grad_cam: np.ndarray | None = None

    @property
    def patch_evidence(self) -> np.ndarray:
        """Grad-CAM's mean in each patch, (grid, grid); NaN without it."""
        return (
            np.full_like(self.drops, np.nan) if self.grad_cam is None else patch_means(self.grad_cam, len(self.drops))
        )

    @property
    def agreement(self) -> float:
        """The rank correlation of Grad-CAM and occlusion over the patches; NaN without Grad-CAM."""
        return rank_correlation(self.patch_evidence, self.drops)


def maps_of(
    artifact: Artifact, image: np.ndarray, look: GradCam | None = None, label: int | None = None, grid: int = GRID
) -> Maps:
    """The maps of an image.

    Args:
        artifact: the model, from `keras_resnet.evaluation.opening.open_model`.
        image: as the model sees it, (height, width, channels), in 0 to 255.
        look: Grad-CAM of the same model; None to leave it out.
        label: number of the class; default: the predicted one.
        grid: number of patches along a side that are covered in turn.

    Raises:
        ValueError: the image does not fit the model, there is no such class, or the grid is finer than the pixels.

    Example:
        >>> import keras_resnet, numpy as np
        >>> from keras_resnet.analysis.grad_cam import GradCam
        >>> from keras_resnet.analysis.maps import maps_of
        >>> from keras_resnet.evaluation.opening import open_model
        >>> model = keras_resnet.ResNet20Cifar()
        >>> maps = maps_of(open_model(model), np.zeros((32, 32, 3)), GradCam(model), grid=4)
        >>> maps.drops.shape, maps.grad_cam.shape
        ((4, 4), (32, 32))
    """
    covered = occlusion_map(artifact, image, label, grid)
    grad_cam = look(image[None], [covered.label]).upsampled[0] if look else None
    return Maps(*covered, grad_cam)


def patch_means(values: np.ndarray, grid: int) -> np.ndarray:
    """The mean of values at each pixel, (height, width), over each patch of a grid: (grid, grid).

    Example:
        >>> import numpy as np
        >>> from keras_resnet.analysis.maps import patch_means
        >>> patch_means(np.array([[1, 2, 0, 0], [3, 2, 0, 4]]), grid=2).tolist()
        [[1.5, 0.0], [2.5, 2.0]]
    """
    height, width = values.shape
    return np.reshape([values[patch].mean() for patch in patches((height, width), grid)], (grid, grid))


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation of two maps of the same shape: 1 for the same order, 0 for unrelated ones.

    Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391, compare Grad-CAM with occlusion by it.

    Returns:
        The correlation, -1 to 1; NaN if all values of a map are equal, or one is NaN.

    Example:
        >>> import numpy as np
        >>> from keras_resnet.analysis.maps import rank_correlation
        >>> round(rank_correlation(np.array([1, 2, 3]), np.array([1, 100, 30])), 3)
        0.5
    """
    if any(np.isnan(values).any() or np.ptp(values) == 0 for values in (a, b)):
        return float("nan")
    deviations = [ranks - ranks.mean() for ranks in (_ranks(a.ravel()), _ranks(b.ravel()))]
    return float(np.dot(*deviations) / np.prod([np.linalg.norm(each) for each in deviations]))


def _ranks(values: np.ndarray) -> np.ndarray:
    """The place of each value in increasing order; equal values share the mean of their places."""
    ordered = np.sort(values)
    return (np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right") - 1) / 2
