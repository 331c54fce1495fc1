"""Several heads for one truth: only the best of them learn from an example.

Winner-takes-all: Ilg et al., "Uncertainty estimates and multi-hypotheses networks for optical flow", ECCV 2018,
section 4.2. Evolving winner-takes-all: Makansi et al., "Overcoming limitations of mixture density networks", CVPR
2019, section 4.1: the best k heads learn, and k is halved from all heads down to one. Papers imperfect, 3.1.
"""

from __future__ import annotations

import math

from torch import Tensor


def best_heads(losses: Tensor, top: int = 1) -> Tensor:
    """Mean loss of the `top` best heads of every example, from losses `(N, H)`; the others get no gradient."""
    return losses.topk(min(top, losses.shape[1]), dim=1, largest=False).values.mean()


def evolving_top(fraction: float, heads: int) -> int:
    """How many heads learn after `fraction` (0..1) of the training: all, then half of them, and so on down to one.

    The training is cut into equal parts, one for each value; the authors give no lengths.
    """
    stages = int(math.log2(heads)) + 1
    return max(1, heads >> min(int(fraction * stages), stages - 1))
