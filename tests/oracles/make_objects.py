"""Run other implementations of object, pixel, boundary and calibration scores; write `<name>-<version>.json` here.

Run with the Python of the oracles' own environment (see README.md), from anywhere; `unfade` is not imported.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import stardist.matching as stardist
import tifffile
import torch
from monai.metrics import utils as monai
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from skimage.metrics import hausdorff_distance
from skimage.segmentation import find_boundaries
from sklearn import metrics as sklearn
from sklearn.calibration import calibration_curve
from torchmetrics.functional.classification import binary_calibration_error, multiclass_calibration_error
from torchmetrics.functional.detection import panoptic_quality

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from tests.oracles import object_cases  # noqa: E402
from tests.oracles.object_cases import Case, checksum, classes, ranking, samples  # noqa: E402

THRESHOLDS = [0.3, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95]
COLUMNS = ["tp", "fp", "fn", "precision", "recall", "accuracy", "f1", "panoptic_quality", "mean_matched_score"]


def double_divide(x: Any, y: Any) -> Any:
    """Division as StarDist guards it, in float64: its own rounds IoUs to float32."""
    return np.divide(x, y, out=np.zeros(np.broadcast(x, y).shape), where=np.asarray(y) != 0)


def double_distances(distances: Any, like: torch.Tensor, **_: Any) -> tuple[torch.Tensor]:
    """Distances as MONAI hands them back, in float64: its own are rounded to float32 at the end."""
    return (torch.as_tensor(distances, dtype=torch.float64, device=like.device),)


def run_stardist(case: Case) -> list[list[list[float]]]:
    """Counts and ratios of each image at each threshold."""
    rows = []
    for prediction, truth in case:
        stats = [stardist.matching(truth, prediction, thresh=t) for t in THRESHOLDS]
        rows.append([[float(getattr(s, name)) for name in COLUMNS] for s in stats])
    return rows


def run_pycocotools(case: Case) -> dict[str, float]:
    """AP of masks at 0.5 and 0.75, one class, all sizes, no limit on their number; -1: no truth."""
    truths, found = [], []
    for image, (prediction, truth) in enumerate(case, start=1):
        for labels, rows in ((truth, truths), (prediction, found)):
            for label in np.unique(labels[labels > 0]):
                run_length = coco_mask.encode(np.asfortranarray(labels == label, np.uint8))
                area = float(coco_mask.area(run_length))
                rows.append({"image_id": image, "category_id": 1, "segmentation": run_length, "area": area})
        scores = ranking(prediction)
        for row, score in zip(found[len(found) - len(scores) :], scores, strict=True):
            row["score"] = float(score)
    for rows in (truths, found):
        for k, row in enumerate(rows, start=1):
            row |= {"id": k, "iscrowd": 0}
    with contextlib.redirect_stdout(io.StringIO()):
        sides = []
        for rows in (truths, found):
            side = COCO()
            side.dataset = {
                "images": [{"id": k + 1, "height": t.shape[0], "width": t.shape[1]} for k, (_, t) in enumerate(case)],
                "categories": [{"id": 1}],
                "annotations": rows,
            }
            side.createIndex()
            sides.append(side)
        run = COCOeval(*sides, iouType="segm")
        run.params.maxDets = [100_000]
        run.params.iouThrs = np.array([0.5, 0.75])
        run.params.areaRng, run.params.areaRngLbl = [[0, 1e10]], ["all"]
        run.evaluate()
        run.accumulate()
    ap = run.eval["precision"][:, :, 0, 0, 0].mean(axis=1)
    return {"0.50": float(ap[0]), "0.75": float(ap[1])}


def run_torchmetrics(case: Case) -> float:
    """Panoptic quality of the one kind of object, IoU > 0.5, all images together."""
    pairs = [[np.stack([labels > 0, labels], axis=-1) for labels in pair] for pair in case]
    prediction, truth = (torch.from_numpy(np.stack([p[k] for p in pairs]).astype(np.int64)) for k in (0, 1))
    each = panoptic_quality(prediction, truth, things={1}, stuffs={0}, return_per_class=True)
    return float(each.flatten()[0])


def run_sklearn(case: Case) -> list[dict[str, float | None]]:
    """Pixel scores of each image; None where they are not defined."""
    rows = []
    for prediction, truth in case:
        found, true = (prediction > 0).ravel(), (truth > 0).ravel()
        sides = {"zero_division": np.nan}
        row = {
            "dice": sklearn.f1_score(true, found, **sides),
            "precision": sklearn.precision_score(true, found, **sides),
            "sensitivity": sklearn.recall_score(true, found, **sides),
            "specificity": sklearn.recall_score(~true, ~found, **sides),
            "accuracy": sklearn.accuracy_score(true, found),
        }
        rows.append({name: None if np.isnan(value) else float(value) for name, value in row.items()})
    return rows


def run_monai(case: Case) -> list[dict[str, float]]:
    """Distances of the outlines of each image in which both masks hold something."""
    rows = []
    for prediction, truth in case:
        if prediction.any() and truth.any():
            masks = (torch.from_numpy(prediction > 0), torch.from_numpy(truth > 0))
            _, both, _ = monai.get_edge_surface_distance(*masks, symmetric=True)
            each = [d.numpy() for d in both]
            rows.append(
                {
                    "hausdorff": max(float(d.max()) for d in each),
                    "hausdorff_95": max(float(np.quantile(d, 0.95)) for d in each),
                    "surface_distance": float(np.concatenate(each).mean()),
                }
            )
    return rows


def run_skimage(case: Case) -> list[float]:
    """Hausdorff distance of the inner boundaries of each image in which both masks hold something."""
    rows = []
    for pair in case:
        if all(labels.any() for labels in pair):
            edges = [find_boundaries(np.pad(labels > 0, 1), connectivity=1, mode="inner") for labels in pair]
            rows.append(float(hausdorff_distance(*edges)))
    return rows


def calibration_of_torchmetrics() -> dict[str, list[float]]:
    """ECE and MCE of samples, ECE of classes, 15 bins, in float64."""
    out: dict[str, list[float]] = {"ece": [], "mce": [], "multiclass": []}
    for seed in range(4):
        confidence, right = (torch.from_numpy(v) for v in samples(seed))
        out["ece"].append(float(binary_calibration_error(confidence, right, n_bins=15, norm="l1")))
        out["mce"].append(float(binary_calibration_error(confidence, right, n_bins=15, norm="max")))
        chance, truth = (torch.from_numpy(v) for v in classes(seed))
        with mock.patch.object(torch.Tensor, "float", torch.Tensor.double):  # it rounds confidences with .float()
            several = multiclass_calibration_error(chance.T, truth, num_classes=3, n_bins=15)
        out["multiclass"].append(float(several))
    return out


def calibration_of_sklearn() -> list[list[list[float]]]:
    """Accuracy and confidence of the bins that hold samples, 15 bins."""
    curves = []
    for seed in range(4):
        confidence, right = samples(seed)
        curves.append([side.tolist() for side in calibration_curve(right, confidence, n_bins=15)])
    return curves


def write(name: str, note: str, cases: dict[str, Case], figures: dict[str, Any], **more: Any) -> None:
    """One file per implementation, complete or not there."""
    path = HERE / f"{name}-{version(name)}.json"
    lines = [
        f"{json.dumps(case)}: {json.dumps({'input': checksum(pairs), 'figures': figures[case]}, allow_nan=False)}"
        for case, pairs in cases.items()
    ]
    head = json.dumps({"oracle": name, "version": version(name), "note": note, **more}, indent=1, allow_nan=False)
    part = path.with_suffix(".part")
    part.write_text(f'{head[:-2]},\n "cases": {{\n' + ",\n".join(lines) + "\n}\n}\n", encoding="utf-8")
    part.replace(path)


def main() -> None:
    """All cases through all implementations."""
    torch.set_default_dtype(torch.float64)
    cases = object_cases.made()
    data = Path(os.environ.get("UNFADE_DATA", ROOT.parent / "shared" / "data"))
    if data.is_dir():
        cases |= object_cases.real(data, tifffile.imread) | object_cases.sequences(data)
    stardist._safe_divide = double_divide
    monai.convert_to_dst_type = double_distances
    write(
        "stardist",
        "Its division was replaced by one in float64. It matches with IoU >= threshold, and gives 0 where 0/0 stands.",
        cases,
        {name: run_stardist(case) for name, case in cases.items()},
        thresholds=THRESHOLDS,
        columns=COLUMNS,
    )
    write(
        "pycocotools",
        "IoU >= threshold, 101 recalls, no limit on the number of objects; -1: no truth.",
        cases,
        {name: run_pycocotools(case) for name, case in cases.items()},
    )
    write(
        "torchmetrics",
        "Panoptic quality with IoU > 0.5; calibration errors with bins [low, high). Its .float() was made .double().",
        cases,
        {name: run_torchmetrics(case) for name, case in cases.items()},
        calibration=calibration_of_torchmetrics(),
    )
    write(
        "scikit-learn",
        "Pixel scores; calibration curves with bins (low, high].",
        cases,
        {name: run_sklearn(case) for name, case in cases.items()},
        calibration=calibration_of_sklearn(),
    )
    write(
        "monai",
        "Its rounding of distances to float32 was taken out; images with an empty mask are left out.",
        cases,
        {name: run_monai(case) for name, case in cases.items()},
    )
    write(
        "scikit-image",
        "Hausdorff distance of inner boundaries, four neighbours; images with an empty mask are left out.",
        cases,
        {name: run_skimage(case) for name, case in cases.items()},
    )


if __name__ == "__main__":
    main()
