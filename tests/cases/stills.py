"""Named single frames on which implementations of object and pixel scores differ, and which side is taken here."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

SIZE = (24, 32)  # height and width, as in the bestiary; nothing of the program is imported, for the oracles' sake
Labels = NDArray[np.int32]


@dataclass(frozen=True)
class Still:
    """A truth, a result, and what the measures must make of it; None is not defined."""

    truth: Labels  # (Y, X)
    result: Labels
    why: str
    expect: dict[str, float | None] = field(default_factory=dict)


def _blocks(*boxes: tuple[int, int, int, int]) -> Labels:
    """Rectangles y0, x0, y1, x1 numbered from 1 in their order."""
    out = np.zeros(SIZE, np.int32)
    for label, (y0, x0, y1, x1) in enumerate(boxes, start=1):
        out[y0:y1, x0:x1] = label
    return out


_TWO = _blocks((6, 4, 16, 12), (6, 12, 16, 20))
_NONE = np.zeros(SIZE, np.int32)

CASES: dict[str, Still] = {
    "half an overlap": Still(
        _blocks((6, 4, 16, 12), (6, 12, 16, 20)),
        _blocks((6, 4, 16, 20)),
        "The mask has an IoU of exactly 0.5 with either cell. StarDist 0.9.2 and pycocotools 2.0.11 let it match one "
        "of them, as an IoU of the threshold is enough for them. Here F1 and AP want it to be above (nuclei-unet, "
        "III.6), mAP follows COCO, and for SEG the mask covers more than half of both cells.",
        expect={"F1@0.50": 0, "AP@0.50": 0, "SEG": 0.5, "NS": 1, "mAP@0.50 (sm) coco": 51 / 101},
    ),
    "nothing found": Still(
        _TWO,
        _NONE,
        "Precision is 0/0: 0 in StarDist 0.9.2. Here it is not defined, for in a mean over images an empty result "
        "would else be blamed for what recall already says.",
        expect={"Precision@0.50": None, "Recall@0.50": 0, "F1@0.50": 0, "AP@0.50": 0, "Dice": 0},
    ),
    "nothing there and nothing found": Still(
        _NONE,
        _NONE,
        "Everything is 0/0. StarDist 0.9.2 says 0 although nothing is wrong, torchmetrics 1.9.0 too. Here it is not "
        "defined: means leave it out, and their counts show it. Two empty outlines are 0 px apart.",
        expect={"F1@0.50": None, "AP@0.50 per image": None, "PQ@0.50": None, "Dice": None, "SEG": None, "HD": 0},
    ),
    "a cell that fills the field": Still(
        _blocks((0, 0, *SIZE)),
        _blocks((0, 0, SIZE[0], SIZE[1] - 6)),
        "What lies outside the image counts as background, so the border pixels of the field are boundary, as in MONAI "
        "1.6.1. scikit-image 0.26.0 (find_boundaries) finds no boundary in the truth unless it is given a margin; the "
        "distance would be infinite.",
        expect={"HD": 6, "F1@0.50": 1},
    ),
}
