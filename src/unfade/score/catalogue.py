"""Every figure by name: the group it belongs to, what it means in a few words, and whether a short table shows it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from unfade.errors import SettingsError
from unfade.score.detection import THRESHOLDS

TOLERANCES = range(4)  # frames by which a division may be early or late
RANKINGS = {"sm": "its score", "ent": "its uncertainty"}  # paper imperfect, 4.1: softmax score, entropy

GROUPS = {
    "challenge": "Cell Tracking Challenge",
    "association": "Identity over time",
    "divisions": "Divisions",
    "objects": "Objects",
    "pixels": "Pixels, all objects as one mask",
    "boundaries": "Boundaries, all objects as one mask",
    "spreading": "Upper bound",
    "ranking": "Objects ranked by confidence",
    "uncertainty": "Uncertainty",
    "repair": "Repair",
}
SLOW = ("boundaries", "spreading")  # only where they are asked for
OVER_TIME = ("association", "divisions")  # need more than one frame


@dataclass(frozen=True)
class Entry:
    """One figure."""

    group: str  # key of GROUPS
    meaning: str
    usual: bool  # shown where nothing was chosen
    total: bool = False  # a number of errors: sequences are summed, and it is shown without decimals


def _challenge() -> dict[str, Entry]:
    shares = {
        "SEG": "outlines (IoU)",
        "DET": "objects found",
        "TRA": "objects and links",
        "LNK": "links between frames",
        "OP_CSB": "mean of SEG and DET",
        "OP_CTB": "mean of SEG and TRA",
        "OP_CLB": "mean of LNK and BIO",
        "CT": "tracks found whole",
        "TF": "longest part of a track",
        "BC": "divisions (F1)",
        "CCA": "lengths of cell cycles",
        "BIO": "mean of CT TF BC CCA",
    }
    errors = {
        "FN": "objects missed",
        "FP": "objects too many",
        "NS": "splits of joined ones",
        "EA": "links missing",
        "ED": "links too many",
        "EC": "links of wrong kind",
        "AOGM": "price of all errors",
    }
    out = {name: Entry("challenge", text, True) for name, text in shares.items()}
    out |= {name: Entry("challenge", text, name != "AOGM", True) for name, text in errors.items()}
    for i in TOLERANCES:
        late = f", {i} frame{'' if i == 1 else 's'} off"
        for name in ("BC", "BIO", "OP_CLB"):
            out[f"{name}({i})"] = Entry("challenge", shares[name] + late, False)
    return out


def _over_time() -> dict[str, Entry]:
    words = {
        "HOTA": "found, and the same cell",
        "CHOTA": "the same, with family",
        "IDF1": "rightly named (F1)",
        "MOTA": "errors, names changed",
    }
    out = {name: Entry("association", text, True) for name, text in words.items()}
    for i in TOLERANCES:
        late = f", {i} frame{'' if i == 1 else 's'} off"
        out[f"DIV_P({i})"] = Entry("divisions", f"right ones{late}", i == 1)
        out[f"DIV_R({i})"] = Entry("divisions", f"found ones{late}", i == 1)
        out[f"DIV_F1({i})"] = Entry("divisions", f"F1{late}", i < 2)
    return out


def _objects() -> dict[str, Entry]:
    out = {
        "AP": Entry("objects", "mean over IoU > 0.5..0.95", True),
        "AP per image": Entry("objects", "of each image, then the mean", False),
    }
    words = {
        "F1": "objects at IoU > {t}",
        "Precision": "found that are right",
        "Recall": "true that are found",
        "AP": "right ones among all",
        "PQ": "F1 times mean IoU",
        "AP per image": "of each image, then the mean",
    }
    for threshold in THRESHOLDS:
        t = f"{threshold:.2f}"
        for name, text in words.items():
            key = f"AP@{t} per image" if name == "AP per image" else f"{name}@{t}"
            usual = (t == "0.50" and name != "AP per image") or key == "AP@0.75"
            out[key] = Entry("objects", text.format(t=t), usual)
    return out


def _masks() -> dict[str, Entry]:
    pixels = {
        "Dice": "shared over mean area",
        "IoU": "shared over joint area",
        "Sensitivity": "true area found",
        "Specificity": "background left free",
        "Precision": "found area that is true",
        "Accuracy": "pixels that are right",
    }
    out = {name: Entry("pixels", text, name in ("Dice", "IoU")) for name, text in pixels.items()}
    out |= {f"{name} pooled": Entry("pixels", f"{text}, all images as one", False) for name, text in pixels.items()}
    outlines = {
        "HD": "farthest boundary pixel, px",
        "HD95": "without the worst 5 %, px",
        "ASSD": "mean distance, px",
        "Boundary Dice": "Dice near true outlines",
        "Boundary Dice (Canny)": "Dice near edges of the mask",
    }
    out |= {name: Entry("boundaries", text, True) for name, text in outlines.items()}
    out["Label-spreading F1"] = Entry("spreading", "F1 if the truth cut the mask", True)
    return out


def _ranked() -> dict[str, Entry]:
    out = {}
    for ranking, by in RANKINGS.items():
        for t in ("0.50", "0.75"):
            text = f"ranked by {by}"
            out[f"mAP@{t} ({ranking}) coco"] = Entry("ranking", text, True)
            out[f"mAP@{t} ({ranking}) per image"] = Entry("ranking", text, True)
    words = {
        "ECE": "confidence off; 0 is best",
        "AURC": "risk of the surest; 0 is best",
        "Excess AURC": "by ranking; 0 is best",
        "Spearman": "doubt ranks as 1 - IoU",
        "Pearson": "doubt rises with 1 - IoU",
    }
    out |= {name: Entry("uncertainty", text, True) for name, text in words.items()}
    groups = {"all": "all nuclei", "updated": "replaced masks", "interpolated": "filled in or missed"}
    groups["non-updated"] = "masks left alone"
    for row, when in (("", ""), (" before", ", before"), (" gain", ", gain")):
        for name, text in groups.items():
            out[f"IoU {name}{row}"] = Entry("repair", f"{text}{when}", row != " gain")
    return out


CATALOGUE: dict[str, Entry] = {**_challenge(), **_over_time(), **_objects(), **_masks(), **_ranked()}


def chosen(metrics: Sequence[str]) -> tuple[str, ...]:
    """Names of the figures that were asked for: by name, by group, or `all`.

    Case does not matter, and `F1@0.5` is `F1@0.50`.

    Raises
    ------
    SettingsError
        For a name that is neither; the text lists the groups, or the nearest names.
    """
    by_name = {name.lower(): name for name in CATALOGUE}
    out: dict[str, None] = {}
    for metric in metrics:
        key = re.sub(r"@(\d*\.\d+)", lambda found: f"@{float(found[1]):.2f}", metric.strip().lower())
        if key == "all":
            out |= dict.fromkeys(CATALOGUE)
        elif key in GROUPS:
            out |= dict.fromkeys(of_groups([key]))
        elif key in by_name:
            out[by_name[key]] = None
        else:
            raise SettingsError(_unknown(metric, by_name))
    return tuple(out)


def of_groups(groups: Iterable[str]) -> tuple[str, ...]:
    """Names of all figures of these groups."""
    wanted = set(groups)
    return tuple(name for name, entry in CATALOGUE.items() if entry.group in wanted)


def usual(names: Iterable[str]) -> tuple[str, ...]:
    """Those of these names that a short table shows."""
    return tuple(name for name in names if CATALOGUE[name].usual)


def _unknown(metric: str, by_name: dict[str, str]) -> str:
    near = [by_name[key] for key in get_close_matches(metric.strip().lower(), by_name, 3, 0.6)]
    names = ", ".join(near) if near else "SEG, DET, TRA, LNK, F1@0.50, AP@0.75, Dice"
    hint = f"did you mean {names}" if near else f"there are {names} and more"
    return f"There is no figure '{metric}'; {hint}, the groups {', '.join(GROUPS)}, or all."
