"""`unfade score` and `unfade validate` as a person and a program meet them: results, choices, and what is refused."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tifffile

from tests.cases.bestiary import BESTIARY, Case
from tests.face.conftest import Command
from unfade import api
from unfade.data import ctc
from unfade.data.labelstore import LabelWriter
from unfade.errors import SettingsError
from unfade.pipeline.folder import RunFolder
from unfade.pipeline.segmenting import frame_path, write_instances
from unfade.records import Instances
from unfade.score.catalogue import CATALOGUE, SLOW

CHALLENGE = {"SEG", "DET", "TRA", "LNK", "OP_CSB", "OP_CTB", "OP_CLB", "CT", "TF", "BC", "CCA", "BIO", "AOGM"}
CHALLENGE |= {"NS", "FN", "FP", "ED", "EA", "EC", "CHOTA", "HOTA", "MOTA", "IDF1"}


def truth_folder(folder: Path, case: Case, outlines: tuple[int, ...] = ()) -> Path:
    """A truth of the challenge; the frames named have outlines."""
    ctc.write(folder / "TRA", case.labels, case.lineage, role="truth")
    for t in outlines:
        (folder / "SEG").mkdir(exist_ok=True)
        tifffile.imwrite(folder / "SEG" / f"man_seg{t:03d}.tif", case.labels[t].astype(np.uint16))
    return folder


def store(path: Path, labels: np.ndarray) -> None:
    with LabelWriter(path, labels.shape) as writer:
        for t, image in enumerate(labels):
            writer.write(t, image)


def run_folder(root: Path, labels: np.ndarray, score: dict[int, float], doubt: dict[int, float]) -> Path:
    """What a finished run leaves of its objects."""
    run = RunFolder(root)
    run.instances.mkdir(parents=True)
    store(run.labels, labels)
    for t, image in enumerate(labels):
        ids = np.unique(image[image > 0]).tolist()
        columns = [np.array([values[i] for i in ids], np.float32) for values in (score, doubt)]
        write_instances(frame_path(run.instances, t), Instances.of(image, *columns))
    return root


def stack(path: Path, labels: np.ndarray) -> Path:
    tifffile.imwrite(path, labels, photometric="minisblack")
    return path


def plain(said: Any) -> dict[str, Any]:
    assert (said.code, said.err) == (0, "")
    out: dict[str, Any] = json.loads(said.out)
    return out


@pytest.fixture
def leaping() -> Case:
    return BESTIARY["leaping"]()


@pytest.fixture
def spare(leaping: Case) -> np.ndarray:
    """The truth, and a mask in every frame where no cell is."""
    out = leaping.labels.copy()
    out[:, 19:23, 26:31] = 4
    return out


# ---------------------------------------------------------------------------------------------------------- figures


def test_json_holds_every_figure_by_its_usual_name(unfade: Command, leaping: Case, tmp_path: Path) -> None:
    truth = truth_folder(tmp_path / "01_GT", leaping, (0, 1, 2, 3))
    found = plain(unfade("score", truth, truth, "--json", "--draws", 10))
    assert set(found["metrics"]) >= CHALLENGE
    assert {n for n, e in CATALOGUE.items() if e.group not in ("ranking", "uncertainty", "repair", *SLOW)} == set(
        found["metrics"]
    )
    assert (found["metrics"]["SEG"], found["metrics"]["TRA"], found["metrics"]["FN"]) == (1, 1, 0)
    assert found["figures"]["SEG"]["count"] == 12
    assert found["figures"]["F1@0.50"]["how"] == {"matcher": "optimal one-to-one", "strict": True, "iou": 0.5}
    assert found["bootstrap"] == {"draws": 10, "level": 0.95, "seed": 0}
    assert set(found["absent"]) == {"ranking", "uncertainty", "repair"}
    assert (found["frames"], found["frames with all outlines"]) == (4, 4)
    assert "unfade" in found["versions"]


def test_objects_are_scored_where_all_are_outlined(unfade: Command, leaping: Case, tmp_path: Path) -> None:
    """The outlines of frame 1 lack a cell: SEG takes those that are there, F1 would take its mask for spare."""
    truth = truth_folder(tmp_path / "01_GT", leaping, (0, 1))
    lacking = np.where(leaping.labels[1] == 3, 0, leaping.labels[1])
    tifffile.imwrite(truth / "SEG" / "man_seg001.tif", lacking.astype(np.uint16))
    found = plain(unfade("score", stack(tmp_path / "p.tif", leaping.labels), truth, "--json", "--draws", 0))
    assert (found["figures"]["SEG"]["count"], found["figures"]["F1@0.50"]["count"]) == (5, 3)
    assert found["metrics"]["F1@0.50"] == 1
    assert found["frames with all outlines"] == 1


def test_the_table_shows_the_usual_and_says_how(unfade: Command, leaping: Case, tmp_path: Path) -> None:
    truth = truth_folder(tmp_path / "01_GT", leaping, (0, 2))
    said = unfade("score", truth, truth, "--draws", 10)
    words = said.out.split()
    assert said.code == 0
    assert {"SEG", "DET", "TRA", "LNK", "BIO", "CHOTA", "F1@0.50", "AP@0.75", "Dice", "FN"} <= set(words)
    assert not {"AP@0.60", "HD", "AOGM", "BC(2)"} & set(words)
    assert (
        "DET, TRA, LNK, FN, FP, NS, EA, ED, EC, HOTA, CHOTA, IDF1, MOTA: mask covers > 0.5 of the marker." in said.out
    )
    assert "the 2 of 4 frames whose truth outlines every object" in said.out
    assert "Intervals: 95 % bootstrap, 10 draws, seed 0, over 6 objects of the segmentation truth, " in said.out
    assert "3 clusters of tracks, 2 images." in said.out
    assert "a run folder does" in said.out


def test_csv_has_a_row_per_figure(unfade: Command, leaping: Case, tmp_path: Path) -> None:
    truth = truth_folder(tmp_path / "01_GT", leaping, (0,))
    said = unfade("score", truth, truth, "--csv", "--draws", 0, "--metrics", "det,challenge")
    rows = list(csv.DictReader(io.StringIO(said.out)))
    assert [r["metric"] for r in rows][:3] == ["DET", "SEG", "TRA"]
    assert rows[0]["value"] == "1.0"
    assert len(rows) == sum(e.group == "challenge" for e in CATALOGUE.values())


def test_figures_groups_and_all(unfade: Command, leaping: Case, spare: np.ndarray, tmp_path: Path) -> None:
    pred, truth = stack(tmp_path / "p.tif", spare), stack(tmp_path / "t.tif", leaping.labels)
    chosen = plain(unfade("score", pred, truth, "--json", "--metrics", "hd, f1@.5,divisions", "--draws", 0))
    assert list(chosen["metrics"])[:3] == ["HD", "F1@0.50", "DIV_P(0)"]
    assert chosen["metrics"]["F1@0.50"] == pytest.approx(24 / 28)
    everything = plain(unfade("score", pred, truth, "--json", "--metrics", "all", "--draws", 0))["metrics"]
    groups = {CATALOGUE[name].group for name in everything}
    assert groups == {"challenge", "association", "divisions", "objects", "pixels", "boundaries", "spreading"}
    table = unfade("score", pred, truth_folder(tmp_path / "01_GT", leaping), "--draws", 0).out
    assert "The result has no table of tracks: every label is a track without parents or divisions." in table
    assert "The truth has no table" not in table
    assert everything["Label-spreading F1"] == 1


def test_a_run_folder_is_ranked_by_score_and_by_entropy(
    unfade: Command, leaping: Case, spare: np.ndarray, tmp_path: Path
) -> None:
    """The spare mask comes last by score and first by entropy: then 12 of 16 are right once all are found."""
    truth = stack(tmp_path / "t.tif", leaping.labels)
    score, doubt = {1: 0.9, 2: 0.8, 3: 0.7, 4: 0.2}, {1: 0.3, 2: 0.4, 3: 0.5, 4: 0.1}
    run = run_folder(tmp_path / "run", spare, score, doubt)
    found = plain(unfade("score", run, truth, "--json", "--draws", 10))
    values = found["metrics"]
    for t in ("0.50", "0.75"):
        assert values[f"mAP@{t} (sm) coco"] == values[f"mAP@{t} (sm) per image"] == 1
        assert values[f"mAP@{t} (ent) coco"] == values[f"mAP@{t} (ent) per image"] == pytest.approx(0.75)
    assert found["figures"]["ECE"]["count"] == 16
    assert values["ECE"] == pytest.approx((0.3 + 0.4 + 0.5 + 0.9) / 4)
    assert values["Excess AURC"] > 0.1
    assert sum(found["curves"]["reliability"]["count"]) == 16
    assert found["curves"]["risk-coverage"]["coverage"][-1] == 1
    assert set(found["absent"]) == {"repair"}
    unknown = run_folder(tmp_path / "unknown", spare, score, dict.fromkeys(doubt, float("nan")))
    found = plain(unfade("score", unknown, truth, "--json", "--draws", 0))
    assert found["absent"]["uncertainty"] == "16 objects have no uncertainty"
    assert "mAP@0.50 (sm) coco" in found["metrics"]
    assert "mAP@0.50 (ent) coco" not in found["metrics"]
    sentence = unfade("score", unknown, truth, "--metrics", "mAP@0.50 (ent) coco").sentence()
    assert sentence == "mAP@0.50 (ent) coco cannot be had here: not every object has such a score."


def test_a_repaired_run_has_the_columns_of_table_2(unfade: Command, leaping: Case, tmp_path: Path) -> None:
    """Cell 1 was missed in frame 1 and filled in; half of cell 2 was seen in frame 2 and replaced."""
    before = leaping.labels.copy()
    before[1][before[1] == 1] = 0
    rows = np.arange(24)[:, None]
    y = np.nonzero(before[2] == 2)[0]
    before[2][(before[2] == 2) & (rows > np.median(y))] = 0
    run = run_folder(tmp_path / "run", before, dict.fromkeys((1, 2, 3), 1.0), dict.fromkeys((1, 2, 3), 0.1))
    store(RunFolder(run).repaired, leaping.labels)
    RunFolder(run).write_manifest(
        {"input": {}, "stages": {"repair": {"complete": True}}, "settings": {"repair": {"enabled": True}}}
    )
    leaping.lineage.tracks().to_csv(RunFolder(run).tracks, index=False)
    table = pd.DataFrame({"frame": leaping.lineage.frame, "track": leaping.lineage.track, "origin": "seen"})
    table.loc[(table["frame"] == 1) & (table["track"] == 1), "origin"] = "interpolated"
    table.loc[(table["frame"] == 2) & (table["track"] == 2), "origin"] = "updated"
    table.to_parquet(RunFolder(run).objects)
    truth = stack(tmp_path / "t.tif", leaping.labels)
    found = plain(unfade("score", run, truth, "--json", "--draws", 0, "--metrics", "repair,TRA"))
    assert found["metrics"]["TRA"] == 1  # the labels after repair are scored, with the tracks after repair
    seen = plain(unfade("score", RunFolder(run).labels, truth, "--json", "--draws", 0, "--metrics", "DET"))
    assert seen["metrics"]["DET"] < 1
    after = {name: found["metrics"][f"IoU {name}"] for name in ("all", "updated", "interpolated", "non-updated")}
    assert set(after.values()) == {1}
    assert found["metrics"]["IoU interpolated before"] == 0
    assert 0.4 < found["metrics"]["IoU updated before"] < 0.7
    counts = [found["figures"][f"IoU {name}"]["count"] for name in after]
    assert counts == [12, 1, 1, 10]


def test_several_sequences_have_means_and_intervals(
    unfade: Command, leaping: Case, spare: np.ndarray, tmp_path: Path
) -> None:
    for name in ("01", "02"):
        truth_folder(tmp_path / f"{name}_GT", leaping, (0,))
    ctc.write(tmp_path / "01_RES", leaping.labels, leaping.lineage)
    ctc.write(tmp_path / "02_RES", np.where(leaping.labels == 3, 0, leaping.labels), without(leaping, 3))
    found = plain(unfade("score", tmp_path, tmp_path, "--json", "--draws", 50))
    assert list(found["sequences"]) == ["01", "02"]
    assert found["sequences"]["02"]["metrics"]["DET"] == pytest.approx(2 / 3)
    assert found["metrics"]["DET"] == pytest.approx(5 / 6)
    assert (found["metrics"]["FN"], found["figures"]["FN"]["how"]["joined"]) == (4, "sum over sequences")
    assert found["figures"]["DET"]["how"]["in all"] == "24 markers of the truth"
    span = found["figures"]["DET"]["interval"]
    assert (span["units"], span["unit"], span["high"]) == (2, "sequences", 1)
    assert all(f["interval"]["unit"] == "sequences" for f in found["figures"].values())
    pairs = [tmp_path / f"{n}_{kind}" for n in ("01", "02") for kind in ("RES", "GT")]
    by_hand = plain(unfade("score", *pairs, "--json", "--draws", 50))
    assert by_hand["metrics"] == found["metrics"]
    said = unfade("score", tmp_path, tmp_path, "--draws", 50)
    assert "over 2 sequences" in said.out
    rows = csv.DictReader(io.StringIO(unfade("score", tmp_path, tmp_path, "--csv", "--metrics", "DET").out))
    assert [(r["sequence"], r["metric"]) for r in rows] == [("", "DET"), ("01", "DET"), ("02", "DET")]


def without(case: Case, track: int) -> Any:
    from dataclasses import replace

    keep = case.lineage.track != track
    columns = {name: getattr(case.lineage, name)[keep] for name in ("frame", "label", "track", "confidence")}
    return replace(case.lineage, **columns)


def test_arrays_score_as_files_do(leaping: Case, spare: np.ndarray, tmp_path: Path) -> None:
    pred, truth = stack(tmp_path / "p.tif", spare), stack(tmp_path / "t.tif", leaping.labels)
    assert api.score(spare, leaping.labels, draws=0).metrics == api.score(pred, truth, draws=0).metrics
    with pytest.raises(SettingsError, match="got 2 results and 1 truths"):
        api.score([spare, spare], [leaping.labels])


def test_one_frame_has_no_figures_over_time(unfade: Command, leaping: Case, spare: np.ndarray, tmp_path: Path) -> None:
    pred, truth = stack(tmp_path / "p.tif", spare[0]), stack(tmp_path / "t.tif", leaping.labels[0])
    found = plain(unfade("score", pred, truth, "--json", "--draws", 0))
    assert (found["metrics"]["DET"], found["metrics"]["FP"]) == (pytest.approx(1 - 1 / 30), 1)
    assert not {"TRA", "LNK", "HOTA", "DIV_F1(0)"} & set(found["metrics"])
    assert found["absent"]["association"] == "there is one frame only"
    assert "there is one frame only" in unfade("score", pred, truth, "--metrics", "TRA").sentence()


# -------------------------------------------------------------------------------------------------------- bad input


def test_an_empty_frame_is_defined(unfade: Command, tmp_path: Path) -> None:
    case = BESTIARY["empty frame"]()
    truth = truth_folder(tmp_path / "01_GT", case, (1, 2, 3))
    ctc.write(tmp_path / "01_RES", case.labels, case.lineage)
    found = plain(unfade("score", tmp_path / "01_RES", truth, "--json", "--draws", 10, "--metrics", "all"))
    assert {found["metrics"][n] for n in ("SEG", "DET", "TRA", "LNK", "AP@0.50", "Dice", "HOTA")} == {1}
    assert found["figures"]["Dice"]["count"] == 2  # the empty frame has no Dice
    nothing = stack(tmp_path / "nothing.tif", np.zeros_like(case.labels, np.uint16))
    found = plain(unfade("score", nothing, truth, "--json", "--draws", 10, "--metrics", "all"))
    assert {found["metrics"][n] for n in ("SEG", "DET", "TRA", "F1@0.50", "HOTA", "IDF1")} == {0}
    assert found["metrics"]["Precision@0.50"] is None
    assert found["figures"]["HD"]["count"] == 1  # only the frame that both leave empty


@pytest.fixture
def truth(leaping: Case, tmp_path: Path) -> Path:
    return truth_folder(tmp_path / "01_GT", leaping, (0,))


def test_sides_that_do_not_fit(unfade: Command, leaping: Case, truth: Path, tmp_path: Path) -> None:
    for name, labels in (("short", leaping.labels[:3]), ("narrow", leaping.labels[:, :, :30])):
        said = unfade("score", stack(tmp_path / f"{name}.tif", np.ascontiguousarray(labels)), truth).sentence()
        assert said.endswith(f"{labels.shape} but {truth} has (4, 24, 32) (T, Y, X); score like with like.")


def test_float_images_are_refused(unfade: Command, leaping: Case, truth: Path, tmp_path: Path) -> None:
    float_stack = stack(tmp_path / "f.tif", leaping.labels.astype(np.float32))
    assert "has pixels of type float32; save them as uint16" in unfade("score", float_stack, truth).sentence()
    ctc.write(tmp_path / "01_RES", leaping.labels, leaping.lineage)
    tifffile.imwrite(tmp_path / "01_RES" / "mask002.tif", leaping.labels[2].astype(np.float32))
    said = unfade("score", tmp_path / "01_RES", truth).sentence()
    assert said == f"{tmp_path / '01_RES' / 'mask002.tif'} must hold integers, got float32; save it as uint16."


def test_an_empty_truth_is_refused(unfade: Command, leaping: Case, tmp_path: Path) -> None:
    pred, empty = stack(tmp_path / "p.tif", leaping.labels), stack(tmp_path / "e.tif", np.zeros_like(leaping.labels))
    said = unfade("score", pred, empty).sentence()
    assert said.startswith(f"{empty} holds no object in any of its 4 frames")


def test_missing_and_wrong_tables(unfade: Command, leaping: Case, truth: Path, tmp_path: Path) -> None:
    table = truth / "TRA" / "man_track.txt"
    pred = stack(tmp_path / "p.tif", leaping.labels)
    text = table.read_text()
    table.write_text(text + "9 0 3 0\n")
    said = unfade("score", pred, truth).sentence()
    assert said.startswith("Label 9 of the truth has a row in its track table but no pixels")
    assert "unfade validate" in said
    table.unlink()
    assert unfade("score", pred, truth).sentence().startswith(f"There is no man_track.txt in {truth / 'TRA'}")


def test_frames_of_outlines_beyond_the_movie(unfade: Command, leaping: Case, truth: Path, tmp_path: Path) -> None:
    tifffile.imwrite(truth / "SEG" / "man_seg009.tif", leaping.labels[0].astype(np.uint16))
    said = unfade("score", stack(tmp_path / "p.tif", leaping.labels), truth).sentence()
    assert said == f"The outlines of {truth} have frame 9, but there are 4 frames; remove it."


def test_names_that_do_not_exist_or_cannot_be_had(unfade: Command, leaping: Case, tmp_path: Path) -> None:
    pred = stack(tmp_path / "p.tif", leaping.labels)
    said = unfade("score", pred, pred, "--metrics", "ap@0.57").sentence()
    assert said.startswith("There is no figure 'ap@0.57'; did you mean AP@0.")
    assert "the groups challenge, association" in said
    truth = truth_folder(tmp_path / "01_GT", leaping)
    said = unfade("score", pred, truth, "--metrics", "SEG").sentence()
    assert said == "SEG cannot be had here: the truth holds markers without outlines."
    assert "Dice cannot be had here" in unfade("score", pred, truth, "--metrics", "Dice,DET").sentence()
    assert "mAP@0.50 (sm) coco cannot" in unfade("score", pred, pred, "--metrics", "mAP@0.50 (sm) coco").sentence()


def test_paths_that_are_no_pair(unfade: Command, leaping: Case, truth: Path, tmp_path: Path) -> None:
    assert "not 1 path" in unfade("score", truth).sentence()
    assert "not 3 paths" in unfade("score", truth, truth, truth).sentence()
    ctc.write(tmp_path / "res" / "01_RES", leaping.labels, leaping.lineage)
    truth_folder(tmp_path / "gt" / "01_GT", leaping)
    truth_folder(tmp_path / "gt" / "02_GT", leaping)
    said = unfade("score", tmp_path / "res" / "01_RES", tmp_path / "gt").sentence()
    assert said.startswith(
        f"{tmp_path / 'gt'} holds the sequences 01_GT, 02_GT, but {tmp_path / 'res' / '01_RES'} is a"
    )
    said = unfade("score", tmp_path / "res", tmp_path / "gt").sentence()
    assert said == f"{tmp_path / 'res'} has no result for 02_GT of {tmp_path / 'gt'}; it has 01_RES."
    assert "There is no file or folder" in unfade("score", tmp_path / "nowhere", truth).sentence()


def test_a_folder_of_one_sequence_is_that_sequence(unfade: Command, leaping: Case, tmp_path: Path) -> None:
    ctc.write(tmp_path / "res" / "01_RES", leaping.labels, leaping.lineage)
    result, truth = tmp_path / "res" / "01_RES", truth_folder(tmp_path / "made" / "07_GT", leaping)
    wanted = plain(unfade("score", result, truth, "--json", "--draws", 0))["figures"]
    for pair in ((result.parent, truth), (result, truth.parent)):
        assert plain(unfade("score", *pair, "--json", "--draws", 0))["figures"] == wanted
    same = plain(unfade("compare", result.parent, result, "--truth", truth, "--json", "--draws", 0))
    assert same["agreement"][0]["value"] == 1.0


def test_validate_a_parent_names_what_is_in_it(unfade: Command, leaping: Case, truth: Path, tmp_path: Path) -> None:
    said = unfade("validate", tmp_path).sentence()
    assert said == f"{tmp_path} is no truth or result itself; give one of the folders in it: 01_GT."
    assert unfade("validate", truth).code == 0
