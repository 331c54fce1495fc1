"""The mask branch of Mask R-CNN, with several heads, a noise scale and dropout where asked for.

Paper imperfect, figure 2: "Mask R-CNN with added data uncertainty": the branch gives a noise scale beside its class
scores. With several heads (winner-takes-all) a merging network makes one answer of theirs (section 4).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchvision.models.detection.mask_rcnn import MaskRCNNHeads, MaskRCNNPredictor

QUIET, LOUD = -6.0, 3.0  # limits of the logarithm of the noise
START = -2.0  # of that logarithm: the first steps see little noise, and none of it lies at a limit


class MaskHead(nn.Module):
    """Features of regions `(N, C, m, m)` to logits `(N, H, K, 2m, 2m)` and log of noise `(N, H, 1, 2m, 2m)` or None."""

    def __init__(
        self,
        in_channels: int,
        classes: int,
        heads: int = 1,
        noise: bool = False,
        dropout: float = 0.0,
        width: int = 256,
    ) -> None:
        super().__init__()
        self.classes, self.noise = classes, noise
        self.trunk = MaskRCNNHeads(in_channels, (width,) * 4, 1)
        self.dropout = nn.Dropout2d(dropout)
        predictors = [MaskRCNNPredictor(width, width, classes + noise) for _ in range(heads)]
        self.predictors = nn.ModuleList(predictors)
        _kaiming(self.predictors)
        for predictor in predictors if noise else ():
            nn.init.zeros_(predictor.mask_fcn_logits.weight[classes:])
            nn.init.constant_(predictor.mask_fcn_logits.bias[classes:], START)

    def forward(self, regions: Tensor) -> tuple[Tensor, Tensor | None]:
        """Answers of all heads."""
        x = self.dropout(self.trunk(regions))  #                             (N, W, m, m)
        out = torch.stack([p(x) for p in self.predictors], dim=1).float()  # (N, H, K + 1, 2m, 2m)
        return split(out, self.classes, self.noise)


class MergingNetwork(nn.Module):
    """Answers of all heads to one, of the same form; it starts near their mean."""

    def __init__(self, classes: int, heads: int, noise: bool, width: int = 32) -> None:
        super().__init__()
        self.classes, self.noise = classes, noise
        given = heads * (classes + noise)
        self.layers = nn.Sequential(
            nn.Conv2d(given, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, classes + noise, 1),
        )
        _kaiming(self.layers)
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d)
        nn.init.zeros_(last.weight)

    def forward(self, logits: Tensor, log_sigma: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Logits `(N, 1, K, m, m)` and log of noise from those of the heads `(N, H, …)`."""
        answers = logits if log_sigma is None else torch.cat([logits, log_sigma], dim=2)
        out = self.layers(answers.flatten(1, 2)).float() + answers.mean(1)
        return split(out[:, None], self.classes, self.noise)


def split(out: Tensor, classes: int, noise: bool) -> tuple[Tensor, Tensor | None]:
    """Logits and limited log of noise from their channels (axis 2)."""
    if not noise:
        return out, None
    return out[:, :, :classes], out[:, :, classes:].clamp(QUIET, LOUD)


def _kaiming(part: nn.Module) -> None:
    """Kaiming normal, as paper shape-aware starts the branches it replaces (III.B)."""
    for module in part.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
