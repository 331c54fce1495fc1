"""The verbs as Python functions. The command line and the viewer call these and nothing beneath them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from unfade.errors import MissingInputError, SettingsError
from unfade.records import Labels, Lineage, Movie, Table

if TYPE_CHECKING:
    from unfade.data.ctc_faults import Fault
    from unfade.link import LinkSettings
    from unfade.measure import MeasureSettings
    from unfade.pipeline.batch import Screen
    from unfade.pipeline.comparing import Compared
    from unfade.pipeline.doctoring import Diagnosis, DoctorSettings
    from unfade.pipeline.folder import RunFolder
    from unfade.pipeline.preparing import PrepareSettings
    from unfade.pipeline.running import Way
    from unfade.pipeline.settings import RunSettings
    from unfade.pipeline.training import TrainingSettings
    from unfade.pipeline.watching import Seen, Vigil
    from unfade.repair import RepairSettings
    from unfade.scale.cluster import Cluster
    from unfade.score.result import Scores
    from unfade.synth import CellMovie, CellMovieSettings, TranslocationMovie, TranslocationSettings

Progress = Callable[[str, int, int], None]
MovieLike = Movie | np.ndarray | str | Path
LabelsLike = Labels | np.ndarray | str | Path


def open_movie(source: MovieLike, **options: Any) -> Movie:
    """A movie from a file, a folder, an array `(T, Y, X)` or `(T, C, Y, X)`, or a movie as it is.

    `options` are those of `unfade.data.ReadSettings`: `axes`, `project`, `z`, `pixel_um`, `interval_s`, `frames`.

    Raises
    ------
    InputError
        If it cannot be read.
    """
    if isinstance(source, Movie):
        return source
    if isinstance(source, np.ndarray):
        return Movie.of(source)
    from unfade import data

    return data.open_movie(Path(source), data.ReadSettings.parse(options))


def run(
    source: str | Path,
    out: str | Path,
    settings: RunSettings | None = None,
    progress: Progress | None = None,
    way: Way | None = None,
) -> RunFolder:
    """Movie to labels, tracks, measurements and report in the folder `out`; a killed run goes on where it stopped.

    `way` says how the work is carried out, as in `unfade.Way(pool=pool)` with a pool of `unfade.cluster`.

    Raises
    ------
    UnfadeError
        If the movie, the settings, the weights or the folder cannot be used; the text says what to do.
    """
    from unfade.pipeline import running
    from unfade.pipeline.settings import RunSettings

    return running.run(Path(source), Path(out), settings or RunSettings(), progress, way or running.Way())


def batch(
    source: str | Path,
    out: str | Path,
    settings: RunSettings | None = None,
    progress: Progress | None = None,
    way: Way | None = None,
    on_error: Literal["continue", "stop"] = "continue",
) -> Screen:
    """Run every movie of a plate, a folder, a pattern or a CSV list into a folder of its own inside `out`.

    `out` also gets `summary.csv`, one row per position. Reports are made where `way` asks for them.

    Raises
    ------
    UnfadeError
        If there is no movie or `out` cannot be used; with `on_error` "stop", what the first failing position raised.
    """
    from unfade.data.positions import list_positions
    from unfade.pipeline.batch import run_batch
    from unfade.pipeline.running import Way
    from unfade.pipeline.settings import RunSettings

    chosen = settings or RunSettings()
    return run_batch(list_positions(source), Path(out), chosen, progress, way or Way(report=False), on_error)


def watch(
    source: str | Path,
    out: str | Path,
    settings: RunSettings | None = None,
    tell: Callable[[Seen], None] | None = None,
    vigil: Vigil | None = None,
) -> RunFolder:
    """Follow a folder or OME-Zarr that is still being written, frame by frame, and leave a run folder in `out`.

    `tell` hears of every frame; `vigil` says when the watch ends, as in `unfade.Vigil(timeout_s=600)`.

    Raises
    ------
    UnfadeError
        If no frame comes, or source, settings or folder cannot be used.
    """
    from unfade.pipeline import watching
    from unfade.pipeline.settings import RunSettings

    return watching.watch(Path(source), Path(out), settings or RunSettings(), tell, vigil or watching.Vigil())


def cluster(where: str, config: str | Path | None = None) -> AbstractContextManager[Cluster]:
    """Workers for `Way(pool=...)`: `local:N` processes, `tcp://host:port` of a dask scheduler, or `slurm` jobs.

    Raises
    ------
    MissingExtraError, SettingsError
        If the extra is not installed, or there are no such workers.
    """
    from unfade.scale.cluster import cluster as workers

    return workers(where, None if config is None else Path(config))


def segment(
    source: MovieLike,
    channel: str | int = 0,
    *,
    system: str = "nuclei-unet",
    weights: str | Path | None = None,
    diameter: float | Literal["auto"] = "auto",
    device: str = "auto",
    progress: Progress | None = None,
) -> Labels:
    """Labels `(T, Y, X)` of one channel, not yet linked: ids mean nothing from frame to frame.

    `diameter` is the median diameter of the objects in pixels; `auto` lets the network measure it.

    Raises
    ------
    UnfadeError
        If the movie, the channel or the weights cannot be used.
    """
    from unfade.pipeline import segmenting
    from unfade.pipeline.settings import PredictSettings, SystemSettings

    movie = open_movie(source)
    number = movie.channel(channel)
    how = PredictSettings.parse({"diameter": diameter, "device": device})
    chosen = SystemSettings.parse({"name": system, "weights": None if weights is None else str(weights)})
    predictor = segmenting.open_predictor(*segmenting.open_system(chosen), how)
    zoom = segmenting.find_diameter(predictor, movie, number, how).zoom
    stage = segmenting.open_stage(predictor, movie, number, zoom)
    out = np.zeros((len(movie), *movie.shape[2:]), np.int32)
    for t, found in enumerate(segmenting.found_in(movie, stage)):
        out[t] = found.labels()[-1]
        if progress is not None:
            progress("segment", t + 1, len(movie))
    return Labels.of(out, calibration=movie.calibration)


def track(
    labels: Labels | np.ndarray, settings: LinkSettings | None = None, progress: Progress | None = None
) -> tuple[Labels, Lineage]:
    """Labels whose values are track ids, and the lineage, from labels `(T, Y, X)` of single frames.

    Raises
    ------
    ShapeError
        If the labels are no integer images.
    """
    from unfade.link import LinkSettings
    from unfade.pipeline import linking

    given = labels if isinstance(labels, Labels) else Labels.of(labels)
    lineage = linking.link_frames(given.frames(), len(given), settings or LinkSettings(), progress)
    out = np.zeros(given.shape, np.int32)
    for t, image in enumerate(linking.as_tracks(given.frames(), lineage, len(given))):
        out[t] = image
    return Labels.of(out, given.kind, given.calibration), lineage


def repair(
    run: str | Path,
    settings: RepairSettings | dict[str, Any] | None = None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Repair a finished run folder; its tables and report are made again. Gives counts of what was done.

    With `dry_run` nothing is changed and the counts say what would be.

    Raises
    ------
    UnfadeError
        If the folder holds no finished run, its movie is gone, or the settings cannot be used.
    """
    from unfade.pipeline import running

    chosen = {} if settings is None else settings if isinstance(settings, dict) else settings.plain()
    return running.repair(Path(run), chosen, dry_run, progress)


def measure(
    source: MovieLike,
    labels: Labels | np.ndarray,
    settings: MeasureSettings | None = None,
    progress: Progress | None = None,
) -> Table:
    """One row per object and frame: shape, intensities of every channel, nucleus/ring ratios.

    Raises
    ------
    ShapeError
        If movie and labels do not fit together.
    """
    from unfade.measure import MeasureSettings
    from unfade.pipeline import measuring

    movie = open_movie(source)
    given = labels if isinstance(labels, Labels) else Labels.of(labels)
    return measuring.measure_labels(movie, given, settings or MeasureSettings(), progress)


def train(
    data: str | Path,
    out: str | Path,
    settings: TrainingSettings | None = None,
    progress: Callable[[int, int, dict[str, float]], None] | None = None,
) -> dict[str, float]:
    """Train a system on a folder of images and masks; best weights and curves go to `out`. Gives validation scores.

    Raises
    ------
    UnfadeError
        If data, settings or folder cannot be used.
    """
    from unfade.pipeline import training

    return training.train(Path(data), Path(out), settings or training.TrainingSettings(), progress)


def score(
    pred: LabelsLike | Sequence[LabelsLike],
    truth: LabelsLike | Sequence[LabelsLike],
    metrics: Sequence[str] | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Scores:
    """Figures of a result against a truth: run folders, challenge folders, label stacks or arrays, in any mix.

    Two lists, or two parents of several sequences (`01_RES`, `02_RES` and `01_GT`, `02_GT`), give means over
    sequences. `metrics` are names of figures or groups, or `all`.

    Raises
    ------
    UnfadeError
        If a side cannot be read, or the two do not fit together.
    """
    from unfade.pipeline import scoring

    left, right = _listed(pred), _listed(truth)
    if len(left) != len(right) or not left:
        raise SettingsError(f"Every result needs its truth, got {len(left)} results and {len(right)} truths.")
    return scoring.score_pairs(list(zip(left, right, strict=True)), metrics, draws, seed, progress)


def compare(
    results: Sequence[LabelsLike],
    truth: LabelsLike | None = None,
    names: Sequence[str] | None = None,
    *,
    threshold: float = 0.5,
    draws: int = 1000,
    seed: int = 0,
    progress: Progress | None = None,
) -> Compared:
    """Results of one movie side by side: what each holds and where they disagree; with a truth, which is nearer to it.

    Results are run folders, challenge folders, label stacks or arrays, in any mix. `names` are what they are called;
    without them it is the last part of their paths. Objects are the same where their IoU exceeds `threshold`.

    Raises
    ------
    UnfadeError
        If a side cannot be read, or they are not of the same frames.
    """
    from unfade.pipeline import comparing

    return comparing.compare(results, truth, names, threshold, draws, seed, progress)


def _listed(side: LabelsLike | Sequence[LabelsLike]) -> list[LabelsLike]:
    return [side] if isinstance(side, Labels | np.ndarray | str | Path) else list(side)


def validate(folder: str | Path) -> list[Fault]:
    """Every fault of a challenge folder; an empty list if it keeps the rules.

    Raises
    ------
    InputError
        If it is no challenge folder.
    """
    from unfade.data.ctc import is_challenge
    from unfade.data.ctc_faults import validate as faults_of
    from unfade.pipeline.sides import sequences

    inside = [] if is_challenge(Path(folder)) else sequences(Path(folder))
    if inside:
        names = ", ".join(p.name for p in inside)
        raise MissingInputError(f"{folder} is no truth or result itself; give one of the folders in it: {names}.")
    return faults_of(Path(folder))


def export(run: str | Path, to: Literal["ctc", "geff", "csv"], destination: str | Path) -> Path:
    """Write a finished run folder as a challenge result, a GEFF graph or CSV tables; give the place written to.

    Raises
    ------
    UnfadeError
        If the run is not finished or the destination is taken.
    """
    from unfade.pipeline import exporting

    return exporting.export(Path(run), to, Path(destination))


def synthesize(
    out: str | Path,
    settings: CellMovieSettings | TranslocationSettings | None = None,
    truth: str | Path | None = None,
    progress: Progress | None = None,
    stills: str | Path | None = None,
    overwrite: bool = False,
) -> CellMovie | TranslocationMovie:
    """Write a synthetic movie with known truth as OME-TIFF; masks, lineage and ratios go to the folder `truth`.

    The settings say which kind: cells with a nuclear marker, or fields of cells whose nuclei fade in the reporter
    (`TranslocationSettings`), with nuclei from the folder `stills` where one is given. An earlier movie, and the truth
    that is named, are replaced with `overwrite` alone.

    Raises
    ------
    UnfadeError
        If the settings or stills cannot be used or it cannot be written there.
    """
    from unfade.pipeline import synthesizing
    from unfade.synth import CellMovieSettings

    where, nuclei = (None if place is None else Path(place) for place in (truth, stills))
    return synthesizing.synthesize(Path(out), settings or CellMovieSettings(), where, progress, nuclei, overwrite)


def doctor(
    settings: DoctorSettings | None = None,
    movie: MovieLike | None = None,
    *,
    stills: str | Path | None = None,
    out: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[Diagnosis, list[Path]]:
    """How far the pixels of a network see, judged against the objects of a movie; figures go to the folder `out`.

    With `stills`, pictures of boundary bands and loss maps are made too.

    Raises
    ------
    UnfadeError
        If weights, movie or stills cannot be used, or the figures cannot be written.
    """
    from unfade.pipeline import doctoring

    if stills is not None and out is None:
        raise SettingsError("Pictures of stills need a folder to go to; name one with out.")
    s = settings or doctoring.DoctorSettings()
    seen = None if movie is None else open_movie(movie)
    found = doctoring.examine(s.chosen, seen, s.channel, s.predict, s.draws, progress, s.positions)
    files = [] if out is None else doctoring.write_diagnosis(Path(out), found)
    if out is not None and stills is not None:
        files += doctoring.write_examples(Path(out), doctoring.open_for_doctor(s.chosen, s.predict)[0], Path(stills))
    return found, files


def prepare(
    source: str | Path, out: str | Path, settings: PrepareSettings | None = None, progress: Progress | None = None
) -> dict[str, Any]:
    """Make a training folder of stills: whole, cropped around nuclei, or cropped for synthetic sequences; give counts.

    Raises
    ------
    UnfadeError
        If the source cannot be read, the masks cannot be made or the place is taken.
    """
    from unfade.pipeline import preparing

    return preparing.prepare_folder(Path(source), Path(out), settings, progress)
