"""Scores of anything against anything: run folders, challenge folders and label stacks in any mix."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from unfade.errors import SettingsError, ShapeError, TruthError
from unfade.pipeline.sides import LabelsLike, Pair, Side, open_side, pair_up
from unfade.score.bootstrap import Plan
from unfade.score.catalogue import CATALOGUE, GROUPS, SLOW, chosen
from unfade.score.comparison import OUTLINED, Comparison, Frame
from unfade.score.result import Scores
from unfade.score.sequence import over_sequences

Progress = Callable[[str, int, int], None]

__all__ = ["Side", "open_side", "score_pairs", "score_paths"]


def score_paths(
    pred: LabelsLike,
    truth: LabelsLike,
    metrics: Sequence[str] | None = None,
    draws: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Scores:
    """Scores of one result, or of every sequence where both are parents; see `score_pairs`."""
    return score_pairs([(pred, truth)], metrics, draws, seed, progress)


def score_pairs(
    pairs: Sequence[tuple[LabelsLike, LabelsLike]],
    metrics: Sequence[str] | None = None,
    draws: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Scores:
    """All figures that the two sides of each pair allow, or those named; of several sequences their means.

    `metrics` are names of figures, of groups (`unfade.score.catalogue.GROUPS`), or `all`; without them every group but
    boundaries and label spreading, which take longest. Images are read once, one frame of each side at a time.

    Objects, pixels and boundaries are scored on frames whose truth outlines every object, the latter two on the union
    of all masks; ranking and uncertainty need a run folder, figures over time more than one frame. Of one sequence the
    intervals (95 % bootstraps of `draws`) are over frames, for SEG, uncertainty and repair over objects, for figures
    over time over clusters of tracks. Of several sequences every figure has one, over sequences. 0 draws give none.

    Raises
    ------
    ShapeError
        If the sides differ in frames or size.
    TruthError
        If a truth holds no object, or its table does not fit its images.
    SettingsError
        If a named metric does not exist, or these sides cannot give it.
    """
    names = chosen(metrics) if metrics else None
    plan = Plan(draws=draws, seed=seed) if draws else None
    parts = [part for pred, truth in pairs for part in pair_up(pred, truth)]
    wanted = {CATALOGUE[n].group for n in names} if names else {g for g in GROUPS if g not in SLOW}
    each = {
        name: _compare(part, wanted, plan if len(parts) == 1 else None, progress)
        for name, part in zip(_names(parts), parts, strict=True)
    }
    out = next(iter(each.values())) if len(parts) == 1 else _joined(each, plan)
    about: dict[str, Any] = {**out.about}
    if plan is not None:
        about["bootstrap"] = {"draws": plan.draws, "level": plan.level, "seed": plan.seed}
    out = Scores(out.figures, out.curves, out.absent, out.parts, about)
    return out if names is None else _only(out, names, metrics or ())


def _compare(pair: Pair, wanted: set[str], plan: Plan | None, progress: Progress | None) -> Scores:
    """Scores of one sequence."""
    a, b = open_side(pair.pred), open_side(pair.truth)
    if a.labels.shape != b.labels.shape:
        raise ShapeError(
            f"{a.name} has frames {a.labels.shape} but {b.name} has {b.labels.shape} (T, Y, X); score like with like."
        )
    beyond = [t for t in b.outlines or () if t >= len(b.labels)]
    if beyond:
        raise TruthError(
            f"The outlines of {b.name} have frame {beyond[0]}, but there are {len(b.labels)} frames; remove it."
        )
    comparison = Comparison(wanted)
    for t in range(len(b.labels)):
        comparison.push(_frame(a, b, t, wanted))
        if progress is not None:
            progress(f"score {pair.name}".strip(), t + 1, len(b.labels))
    if not comparison.true_objects:
        raise TruthError(
            f"{b.name} holds no object in any of its {len(b.labels)} frames, so nothing can be scored; "
            "give the truth of this movie."
        )
    scores = comparison.scores(a.tracks, b.tracks, plan)
    about: dict[str, Any] = {"pred": a.name, "truth": b.name, "frames": comparison.frames}
    if a.repaired is not None:
        about["pred labels"] = "after repair"
    about["without track table"] = [who for who, side in (("pred", a), ("truth", b)) if side.tracks is None]
    if wanted & {*OUTLINED}:
        about["frames with all outlines"] = comparison.complete
    return Scores(scores.figures, scores.curves, scores.absent, about=about)


def _frame(a: Side, b: Side, t: int, wanted: set[str]) -> Frame:
    marker = b.labels.frame(t)
    outlines = marker if b.outlines is None else b.outlines.get(t)
    ranked = a.found is not None and outlines is not None and bool(wanted & {"ranking", "uncertainty"})
    repaired = a.repaired is not None and outlines is not None and "repair" in wanted
    return Frame(
        result=a.labels.frame(t),
        truth=marker,
        outlines=outlines,
        found=a.found(t) if ranked and a.found is not None else None,
        repaired=a.repaired(t) if repaired and a.repaired is not None else None,
    )


def _joined(each: dict[str, Scores], plan: Plan | None) -> Scores:
    """Means over sequences, with the scores of each beside them; absent is what no sequence allows."""
    out = over_sequences(list(each.values()), plan)
    first, *rest = (one.absent for one in each.values())
    absent = {group: why for group, why in first.items() if all(group in other for other in rest)}
    return Scores(out.figures, absent=absent, parts=each, about={"sequences joined": len(each)})


def _names(parts: Sequence[Pair]) -> list[str]:
    """Names of sequences, each once; the number of the pair where a name is missing or stands twice."""
    given = [part.name for part in parts]
    return [n if n and given.count(n) == 1 else str(k) for k, n in enumerate(given, 1)]


def _only(scores: Scores, names: Sequence[str], metrics: Sequence[str]) -> Scores:
    """The figures that were asked for.

    A group may lack some of its figures, but a figure asked for by its own name must be there.
    """
    for metric in metrics:
        asked = chosen([metric])
        if len(asked) == 1 and asked[0] not in scores:
            why = scores.absent.get(CATALOGUE[asked[0]].group) or _needs(asked[0])
            raise SettingsError(f"{asked[0]} cannot be had here: {why}.")
    if not any(name in scores for name in names):
        raise SettingsError(
            f"None of these figures can be had here: {'; '.join(dict.fromkeys(scores.absent.values()))}."
        )
    return scores.only(names)


def _needs(name: str) -> str:
    if name in ("SEG", "OP_CSB", "OP_CTB"):
        return "the truth holds markers without outlines"
    return "there is one frame only" if CATALOGUE[name].group == "challenge" else "not every object has such a score"
