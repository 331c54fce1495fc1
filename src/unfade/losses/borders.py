"""Artificial borders between touching objects and the weight map that stresses them.

Ronneberger et al., "U-Net: Convolutional Networks for Biomedical Image Segmentation" (MICCAI 2015), equations 1 and 2;
the comparison of paper hourglass, section 5.1.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor
from torch.nn import functional as F

from unfade.losses.shape_aware import weighted_mean
from unfade.records import LabelImage

W0, SIGMA_PX = 10.0, 5.0  # of equation 2
MOST = 100.0  # limit of the class balance: a crop may hold a sliver of one object
REACH = 4.0  # in sigmas; farther borders weigh less than e⁻⁸ of the nearest


def separated(labels: LabelImage) -> LabelImage:
    """Labels `(Y, X)` with background drawn where two objects touch, so that no two are 8-connected."""
    high = ndimage.maximum_filter(labels, 3)
    low = ndimage.minimum_filter(np.where(labels > 0, labels, np.iinfo(labels.dtype).max), 3)
    return np.where((labels > 0) & (high != low), 0, labels)


def border_weight(labels: LabelImage, w0: float = W0, sigma_px: float = SIGMA_PX) -> NDArray[np.float32]:
    """w0 exp(−(d1 + d2)² / 2σ²) of the background of `(Y, X)`, 0 on objects: the second part of equation 2.

    d1 and d2 are the distances (px) to the nearest and the second nearest object.
    """
    pad = int(np.ceil(REACH * sigma_px))
    first = np.full(labels.shape, np.inf, np.float32)
    second = first.copy()
    for number, box in enumerate(ndimage.find_objects(np.maximum(labels, 0)), 1):
        if box is None:
            continue
        around = tuple(slice(max(0, side.start - pad), side.stop + pad) for side in box)
        far = ndimage.distance_transform_edt(labels[around] != number).astype(np.float32)
        one, two = first[around], second[around]
        np.minimum(two, np.maximum(one, far), out=two)
        np.minimum(one, far, out=one)
    weight = w0 * np.exp(-((first + second) ** 2) / (2 * sigma_px**2))
    return np.where(labels == 0, weight, 0).astype(np.float32)


def weighted_softmax(logits: Tensor, labels: Tensor, border: Tensor) -> Tensor:
    """Mean cross-entropy of two classes, `logits (B, L, 2, Y, X)`, weighted by class balance and borders (equation 1).

    Foreground is where `labels (B, L, Y, X)` are over 0, negative ones are unknown and count nothing; the weight of
    the foreground is the ratio of background to foreground pixels of its sequence.
    """
    inside, empty = labels > 0, labels == 0
    count = [mask.flatten(1).sum(1).to(border.dtype) for mask in (empty, inside)]
    ratio = (count[0] / count[1].clamp(min=1)).clamp(1 / MOST, MOST)
    by_class = torch.where(inside, ratio.view(-1, 1, 1, 1), empty.to(border.dtype))
    each = F.cross_entropy(logits.movedim(2, 1), inside.long(), reduction="none")
    return weighted_mean(each, by_class + border)
