"""Weights of `lexy` for a window of more frames and a memory: where a longer training begins, without forgetting.

usage: python experiments/lexy/widen.py WEIGHTS OUT --offsets=-30,…,30 [--memory 24]

Every frame of WEIGHTS keeps its part of the first convolution at its place in time; new frames start at zero and the
memory adds nothing yet, so the widened network answers as the old one did.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from unfade.systems.lexy import Lexy, LexySettings
from unfade.weights.catalogue import load_weights, save_weights

STEM, JOIN = "encoder.stem.0.weight", "encoder.memory.join."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights")
    parser.add_argument("out", type=Path)
    parser.add_argument("--offsets", required=True, type=lambda text: tuple(int(n) for n in text.split(",")))
    parser.add_argument("--memory", type=int, default=16)
    options = parser.parse_args()
    old = load_weights("lexy", options.weights)
    before = old.settings["offsets"]
    if not set(before) <= set(options.offsets):
        raise SystemExit(f"The new window must hold the frames of the old one, {before}.")
    settings = LexySettings.parse({**old.settings, "offsets": options.offsets, "memory": options.memory})
    torch.manual_seed(0)
    state = Lexy(settings).network().state_dict()
    state |= {k: v.float() if v.is_floating_point() else v for k, v in old.state.items() if k != STEM}
    state |= {name: torch.zeros_like(state[name]) for name in state if name == STEM or name.startswith(JOIN)}
    state[STEM][:, [options.offsets.index(o) for o in before]] = old.state[STEM].float()
    save_weights(options.out, "lexy", settings.plain(), state, half=False)
    print(f"{options.out}: {sum(v.numel() for v in state.values())} numbers, {len(options.offsets)} frames")


if __name__ == "__main__":
    main()
