"""Masks from a nuclear marker: by threshold, by a system of the project, or by Cellpose or StarDist where installed.

Paper lexy, section 2.1.2 and figure 2: the masks of stills without annotation come from their DNA channel.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unfade.errors import MissingExtraError, SettingsError
from unfade.instances.threshold import ThresholdSettings, by_threshold
from unfade.pipeline.segmenting import open_predictor, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.predict.diameter import measure_diameter

Masks = Callable[[NDArray[Any]], NDArray[np.int32]]


def masks_by(method: str, weights: str | None = None) -> Masks:
    """The function from a marker image `(Y, X)` to labels: `threshold`, `nuclei-unet`, `cellpose` or `stardist`.

    `weights` name those of the method: a file or shipped name of nuclei-unet, a model of Cellpose or StarDist that is
    on this machine already or that the library fetches by itself.

    Raises
    ------
    SettingsError
        If there is no such method.
    MissingExtraError
        If its library is not installed.
    WeightsError
        If the weights cannot be had.
    """
    makers: dict[str, Callable[[str | None], Masks]] = {
        "threshold": _threshold,
        "nuclei-unet": _nuclei_unet,
        "cellpose": _cellpose,
        "stardist": _stardist,
    }
    if method not in makers:
        raise SettingsError(f"There is no way '{method}' to make masks; choose one of: {', '.join(makers)}.")
    return makers[method](weights)


def _threshold(weights: str | None) -> Masks:
    if weights is not None:
        raise SettingsError("A threshold has no weights; leave them out.")
    settings = ThresholdSettings()
    return lambda image: by_threshold(image, settings)


def _nuclei_unet(weights: str | None) -> Masks:
    engine = open_predictor(*open_system(SystemSettings(weights=weights)), PredictSettings())

    def masks(image: NDArray[Any]) -> NDArray[np.int32]:
        frame = image[None]
        return np.asarray(engine.instances(frame, measure_diameter(engine, frame).zoom).labels()[0], np.int32)

    return masks


def _cellpose(weights: str | None) -> Masks:
    models = _library("cellpose.models", "cellpose")
    kind = getattr(models, "Cellpose", None)  # until version 3; later there is CellposeModel alone
    if kind is not None:
        model = kind(model_type=weights or "nuclei")
    else:
        model = models.CellposeModel(**({} if weights is None else {"pretrained_model": weights}))
    return lambda image: np.asarray(model.eval(image.astype(np.float32))[0], np.int32)


def _stardist(weights: str | None) -> Masks:
    models, normalize = _library("stardist.models", "stardist"), _library("csbdeep.utils", "stardist").normalize
    model = models.StarDist2D.from_pretrained(weights or "2D_versatile_fluo")
    return lambda image: np.asarray(model.predict_instances(normalize(image, 1, 99.8))[0], np.int32)


def _library(module: str, name: str) -> Any:
    try:
        return import_module(module)
    except ImportError:
        raise MissingExtraError(
            f"Masks by {name} need that library; install it with 'pip install {name}' or choose another way."
        ) from None
