"""Label spreading against a real StarDist that was trained on the same split (paper nuclei-unet, III.6 and figure 6).

usage: python benchmarks/stardist_peer.py train DSB2018 FOLDER [--minutes 19]      in an environment with stardist
       python benchmarks/stardist_peer.py predict DSB2018 FOLDER [--part test]     the same
       python benchmarks/stardist_peer.py score DSB2018 FOLDER [--part test]       in that of unfade

Environment of the first two: `pip install stardist==0.9.2 tensorflow tifffile imagecodecs`; the versions that ran are
kept in FOLDER/peer.json. Training goes on where an earlier call stopped. The split is that of DSB2018/split.csv: train,
val to choose the weights and StarDist's thresholds, test to report. `score` prints F1 at IoU 0.5 and 0.75 over all
objects: StarDist's own objects; the shipped nuclei model's own objects; both foregrounds after label spreading, for
which the truth is used and which is a bound, not a result.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from pathlib import Path

import numpy as np
import tifffile

SIDE, BATCH, STEPS = 256, 4, 50  # of a patch; patches per step; steps between validations


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=["train", "predict", "score"])
    parser.add_argument("stills", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--minutes", type=float, default=19)
    parser.add_argument("--part", default="test")
    options = parser.parse_args()
    {"train": train, "predict": predict, "score": score}[options.action](options)


def read(folder: Path, part: str) -> tuple[list[str], list[np.ndarray], list[np.ndarray]]:
    with (folder / "split.csv").open(newline="") as file:
        names = sorted(row["file"] for row in csv.DictReader(file) if row["part"] == part)
    images = [tifffile.imread(folder / "images" / name) for name in names]
    images = [image.mean(-1) if image.ndim == 3 else image for image in images]
    return names, images, [tifffile.imread(folder / "masks" / name).astype(np.int32) for name in names]


def train(options: argparse.Namespace) -> None:
    import stardist
    import tensorflow
    from csbdeep.utils import normalize
    from stardist.models import Config2D, StarDist2D

    began = time.monotonic()
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
    known = options.folder / "peer.json"
    facts = json.loads(known.read_text()) if known.is_file() else {"steps": 0, "minutes": 0.0}
    config = Config2D(
        n_rays=32, grid=(2, 2), n_channel_in=1, train_patch_size=(SIDE, SIDE), train_batch_size=BATCH,
        train_epochs=1, train_steps_per_epoch=STEPS, train_learning_rate=3e-4, train_tensorboard=False, use_gpu=False,
    )  # fmt: skip
    again = (options.folder / "stardist" / "weights_last.h5").is_file()
    model = StarDist2D(None if again else config, name="stardist", basedir=str(options.folder))
    if again:
        model.load_weights("weights_last.h5")
    rng = np.random.default_rng(facts["steps"])
    sets = {}
    for part in ("train", "val"):
        _, images, labels = read(options.stills, part)
        pairs = [padded(normalize(i, 1, 99.8), y) for i, y in zip(images, labels, strict=True)]
        sets[part] = [list(v) for v in zip(*pairs, strict=True)]
    while time.monotonic() - began < 60 * options.minutes:
        model.train(*sets["train"], validation_data=tuple(v[:16] for v in sets["val"]), augmenter=turned(rng), epochs=1)
        model.keras_model.save_weights(str(options.folder / "stardist" / "weights_last.h5"))
        facts["steps"] += STEPS
        facts |= {"stardist": stardist.__version__, "tensorflow": tensorflow.__version__, "batch": BATCH, "patch": SIDE}
        known.write_text(json.dumps({**facts, "minutes": facts["minutes"] + (time.monotonic() - began) / 60}, indent=2))
    model.optimize_thresholds(sets["val"][0][:24], sets["val"][1][:24])


def padded(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At least as large as a patch."""
    lack = [(0, max(0, SIDE - n)) for n in image.shape]
    return np.pad(image, lack, mode="reflect").astype(np.float32), np.pad(labels, lack, mode="constant")


def turned(rng: np.random.Generator):
    def augment(image: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        turns, flip = int(rng.integers(4)), bool(rng.integers(2))
        image, labels = np.rot90(image, turns), np.rot90(labels, turns)
        image, labels = (image[::-1], labels[::-1]) if flip else (image, labels)
        return image * rng.uniform(0.6, 2) + rng.uniform(-0.2, 0.2), labels

    return augment


def predict(options: argparse.Namespace) -> None:
    from csbdeep.utils import normalize
    from stardist.models import StarDist2D

    model = StarDist2D(None, name="stardist", basedir=str(options.folder))
    names, images, _ = read(options.stills, options.part)
    (options.folder / options.part).mkdir(exist_ok=True)
    for name, image in zip(names, images, strict=True):
        labels, _ = model.predict_instances(normalize(image, 1, 99.8))
        tifffile.imwrite(options.folder / options.part / name, labels.astype(np.uint16), compression="zlib")


def score(options: argparse.Namespace) -> None:
    from unfade.pipeline.segmenting import open_predictor, open_system
    from unfade.pipeline.settings import PredictSettings, SystemSettings
    from unfade.predict.diameter import measure_diameter
    from unfade.score.detection import count_objects
    from unfade.score.spread import spread_labels

    predictor = open_predictor(*open_system(SystemSettings()), PredictSettings())
    sums: dict[tuple[str, float], np.ndarray] = {}
    for name, image, truth in zip(*read(options.stills, options.part), strict=True):
        peer = tifffile.imread(options.folder / options.part / name).astype(np.int32)
        frame = image[None]
        own = predictor.instances(frame, measure_diameter(predictor, frame).zoom).labels()[0]
        made = {"StarDist": peer, "unfade nuclei-unet": own}
        made |= {f"{key}, spread": spread_labels(labels > 0, truth) for key, labels in made.items()}
        for key, labels in made.items():
            for threshold in (0.5, 0.75):
                found = count_objects(labels, truth, threshold, strict=True)
                sums[key, threshold] = sums.get((key, threshold), 0) + np.array([found.tp, found.fp, found.fn])
    out = {"peer": json.loads((options.folder / "peer.json").read_text()), "part": options.part, "F1": {}}
    for (key, threshold), (tp, fp, fn) in sums.items():
        out["F1"].setdefault(key, {})[str(threshold)] = round(float(2 * tp / (2 * tp + fp + fn)), 4)
    print(json.dumps(out, indent=2))


if __name__ == "__main__":
    main()
