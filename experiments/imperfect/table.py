"""Table 1 of paper imperfect: six estimators, with model uncertainty alone and combined, mAP by score and by entropy.

Networks are trained on the `train` part of FOLDER and scored on its `test` part; what was trained already in WORK is
scored again. `--classes 1` for folders of one kind of object (experiments/shape-aware/prepare.py), 3 for cells with
their nuclei (experiments/imperfect/prepare.py), of which nuclei are scored. mAP is that of COCO with one ranking over
all images; ranked by the score (sm) and by minus the mean entropy of the mask (ent).

python experiments/imperfect/table.py FOLDER WORK                              the paper's networks (GPU)
python experiments/imperfect/table.py FOLDER WORK --small --minutes 10         small ones, each at this budget (CPU)

With `--start WEIGHTS` every network begins as that one but for the last layer of its masks and the merging network: a
short budget is then spent on what tells the estimators apart.
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from unfade import api
from unfade.datasets.stills import read_stills
from unfade.instances.boxes import taken
from unfade.ops.overlap import contingency_of_instances
from unfade.ops.relabel import NUCLEUS
from unfade.pipeline.segmenting import open_predictor, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.pipeline.training import TrainingSettings
from unfade.predict.diameter import zoom_for
from unfade.records import KINDS, Instances
from unfade.score.ranking import score_ranking
from unfade.systems.imperfect import SMALL, Imperfect, ImperfectSettings
from unfade.weights.catalogue import load_weights, save_weights

HERE = Path(__file__).resolve().parent
HEADS = {"heads": 4, "merge": True}
STEPS = {"single": 12_000, "dropout": 12_000, "snapshot": 15_000, "wta": 11_000, "ewta": 11_000}
SETTINGS: dict[str, dict[str, Any]] = {
    "single": {},
    "dropout": {"dropout": 0.2},
    "snapshot": {},
    "wta": HEADS,
    "ewta": {**HEADS, "evolving": True},
}
ROWS = {
    "single": (None, "single"),
    "dropout": ("dropout", "dropout"),
    "ensemble": ("ensemble", "single"),
    "snapshot": ("snapshot", "snapshot"),
    "wta": ("wta", "wta"),
    "ewta": ("ewta", "ewta"),
}


def network_of(name: str, noise: bool, options: argparse.Namespace) -> dict[str, Any]:
    """Settings of a network of table 1; presets have four merged heads, which only two of its rows want."""
    one: dict[str, Any] = {"heads": 1, "merge": False, "evolving": False, "dropout": 0.0}
    own = {**(SMALL if options.small else {}), **one, **SETTINGS[name]}
    return own | {"classes": options.classes, "noise": noise}


def trained(name: str, noise: bool, seed: int, options: argparse.Namespace) -> Path:
    """Folder of a trained network; several heads are merged by a second training."""
    place = options.work / f"{name}-{'noise' if noise else 'plain'}-{seed}"
    own = network_of(name, noise, options)
    train = course(name, seed, STEPS[name], options)
    sampler: dict[str, Any] = {"elastic_px": 10.0, "elastic_points": 3, "native": 0.0, "empty": 0.0}
    size = {"crop_px": 192, "batch": 4, "diameter_px": [36.0, 62.0]}
    sampler |= size if options.small else {"crop_px": 512, "batch": 2, "max_zoom": 1.0}
    preset = "default" if options.small else "paper"
    common = {"system": "imperfect", "preset": preset, "encoder_weights": "none", "sampler": sampler}
    begin = {} if options.start is None else {"weights": str(started(place, preset, own, seed, options.start))}
    api.train(options.data, place, TrainingSettings.parse({**common, **begin, "settings": own, "train": train}))
    if not own["merge"]:
        return place
    merged = place.with_name(place.name + "-merged")
    settings = {"learn": "merging"}
    again = course(name, seed, 4_000, options)
    weights = str(place / "best.safetensors")
    parsed = TrainingSettings.parse({**common, "weights": weights, "settings": settings, "train": again})
    api.train(options.data, merged, parsed)
    return merged


def started(place: Path, preset: str, own: dict[str, Any], seed: int, start: Path) -> Path:
    """Weights file beside the training, of a fresh network that takes over all but its last layers from `start`."""
    path = place.with_name(place.name + "-start.safetensors")
    settings = ImperfectSettings.parse({**Imperfect.presets[preset], **own})
    torch.manual_seed(seed)
    state = Imperfect(settings).network().state_dict()
    given = load_weights("imperfect", start).state
    last = ("logits", "merger")
    state |= {k: v.float() for k, v in given.items() if k in state and not any(part in k for part in last)}
    path.parent.mkdir(parents=True, exist_ok=True)
    save_weights(path, "imperfect", settings.plain(), state, half=False)
    return path


def course(name: str, seed: int, steps: int, options: argparse.Namespace) -> dict[str, Any]:
    """Settings of one training: the paper's lengths, or a budget on the clock."""
    out: dict[str, Any] = {"seed": seed, "device": options.device, "steps": steps}
    if options.minutes is None:
        out |= {"optimiser": "sgd", "rate": 1e-3, "average": 0.0, "schedule": "constant", "check_every": 500}
        return out | ({"schedule": "restarts", "cycle": 3_000} if name == "snapshot" else {})
    out |= {"minutes": options.minutes, "steps": 100_000, "rate": 1e-3, "average": 0.99, "check_every": 300}
    if name == "snapshot":  # about a hundred steps a minute at the most, so that five cycles fit
        return out | {"schedule": "restarts", "cycle": max(10, round(12 * options.minutes)), "warmup": 10}
    return out | {"schedule": "cosine", "warmup": 30}


def score(place: Path, members: list[Path], how: str | None, options: argparse.Namespace) -> dict[str, Any]:
    """Figures of one row."""
    first = members[0] if how in ("ensemble", "snapshot") else place / "best.safetensors"
    others = [str(path) for path in members[1:]] if how in ("ensemble", "snapshot") else []
    predict = {"device": options.device, "members": others} | ({} if how is None else {"uncertainty": how})
    chosen = SystemSettings(name="imperfect", weights=str(first))
    engine = open_predictor(*open_system(chosen), PredictSettings.parse(predict))
    kind = "nucleus" if options.classes == 3 else "cell"
    by_score, by_entropy = [], []
    for still in read_stills(options.data, ("test",)):
        truth = still.labels[0]
        cells = np.where(truth % NUCLEUS > 0, truth % NUCLEUS, 0)
        objects = np.where(truth >= NUCLEUS, truth % NUCLEUS, 0) if options.classes == 3 else cells
        areas = np.bincount(cells.ravel())[1:]
        diameter = float(np.median(2 * np.sqrt(areas[areas > 0] / np.pi)))
        found = engine.instances(still.image[0], zoom_for(diameter, engine.system.view))
        mine = taken(found, np.flatnonzero(found.kind == KINDS.index(kind)))
        overlap = contingency_of_instances(mine, Instances.of(objects, kind=kind))
        by_score.append((overlap, mine.score))
        by_entropy.append((overlap, -mine.u_total))
    figures = {**score_ranking(by_score, "sm").figures, **score_ranking(by_entropy, "ent").figures}
    return {name: round(figure.value, 4) for name, figure in figures.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--classes", type=int, choices=(1, 3), default=1)
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--start", type=Path, metavar="WEIGHTS")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    for row in options.rows.split(","):
        how, network = ROWS[row]
        for noise in (False, True):
            places = [trained(network, noise, seed, options) for seed in range(4 if how == "ensemble" else 1)]
            members = [place / "best.safetensors" for place in places]
            if how == "snapshot":
                files = places[0].glob("snapshot-*.safetensors")
                members = sorted(files, key=lambda path: int(path.stem.split("-")[1]))[-4:]
                if len(members) < 2:
                    raise SystemExit("Fewer than two cycles were trained; give more --minutes.")
            result = {
                "row": row,
                "column": "combined" if noise else "model",
                "data": options.data.name,
                "network": "small" if options.small else "paper",
                "minutes": options.minutes,
                "start": None if options.start is None else load_weights("imperfect", options.start).sha256,
                "machine": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.machine(),
                **score(places[0], members, how, options),
            }
            (HERE / "results").mkdir(exist_ok=True)
            budget = options.minutes or "full"
            begun = "" if options.start is None else "-started"
            name = f"{options.data.name}-{row}-{result['column']}-{result['network']}-{budget}{begun}.json"
            (HERE / "results" / name).write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
            print(json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
