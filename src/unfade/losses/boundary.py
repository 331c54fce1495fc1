"""Losses of distance to the outline: how far a wrong pixel lies from where the mask ends.

Karimi and Salcudean, "Reducing the Hausdorff Distance in Medical Image Segmentation with Convolutional Neural
Networks", IEEE TMI 2019 (paper lexy, section 4, reference 38); Kervadec et al., "Boundary loss for highly unbalanced
segmentation", MIDL 2019.
"""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

UNIT_PX = 10.0  # distances are counted in units of this, so that the terms weigh about as much as Dice


def hausdorff_loss(logits: Tensor, truth: Tensor, power: float = 2.0) -> Tensor:
    """Mean of (p − y)² (d_y^power + d_p^power), d the distance to the outline of the truth and of the prediction > 0.5.

    Maps are `(…, Y, X)`. Distances carry no gradient (Karimi and Salcudean, equation 8, power 2).
    """
    p = logits.sigmoid()
    with torch.no_grad():
        far = _distance(truth > 0.5) ** power + _distance(p > 0.5) ** power
    return ((p - truth).square() * far).mean()


def boundary_loss(logits: Tensor, truth: Tensor) -> Tensor:
    """Mean of p φ, φ the distance to the truth's outline, negative inside (Kervadec et al., equation 6).

    The mean of y φ is taken off, so that a perfect prediction gives 0; an empty truth gives no gradient.
    """
    with torch.no_grad():
        inside = truth > 0.5
        signed = _distance(inside)
        signed = torch.where(inside, -signed, signed)
    return ((logits.sigmoid() - inside.float()) * signed).mean()


def _distance(masks: Tensor) -> Tensor:
    """Distance of every pixel of `(…, Y, X)` to the nearest pixel of the other kind; 0 where there is none."""
    flat = masks.reshape(-1, *masks.shape[-2:]).cpu().numpy()
    out = np.zeros(flat.shape, np.float32)
    for mask, into in zip(flat, out, strict=True):
        if mask.any() and not mask.all():
            into[:] = np.where(mask, *(ndimage.distance_transform_edt(m) for m in (mask, ~mask)))
    return torch.from_numpy(out / UNIT_PX).reshape(masks.shape).to(masks.device)
