"""Greedy overlap tracker (provisional)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from unfade.ops.overlap import contingency
from unfade.records import Lineage
from unfade.settings import Settings


class LinkSettings(Settings):
    """Linking."""

    linker: str = Field("overlap", description="registered linker")
    gap: int = Field(2, ge=0, description="frames")


class OverlapLinker:
    """Greedy overlap tracker."""

    lag = 0

    def __init__(self, settings):
        self.settings = settings

    def start(self):
        return {"t": 0, "last": None, "of": {}, "rows": [], "next": 1}

    def push(self, state, labels):
        of, rows = {}, []
        if state["last"] is not None:
            o = contingency(state["last"], labels)
            iou = o.sparse_iou()
            used = set()
            for p in np.argsort(-iou):
                a, b = int(o.ids_a[o.i[p]]), int(o.ids_b[o.j[p]])
                if a in used or b in of or iou[p] < 0.1:
                    continue
                used.add(a)
                of[b] = state["of"][a]
            ids = o.ids_b
        else:
            ids = np.unique(labels)[1:]
        for b in ids.tolist():
            if b not in of:
                of[b] = state["next"]
                state["next"] += 1
            rows.append((state["t"], b, of[b]))
        state["rows"] += rows
        state["of"], state["last"], state["t"] = of, labels, state["t"] + 1
        return state, rows

    def finish(self, state):
        r = np.array(state["rows"], np.int32).reshape(-1, 3)
        return Lineage(r[:, 0], r[:, 1], r[:, 2], np.ones(len(r), np.float32), np.zeros((0, 2), np.int32))
