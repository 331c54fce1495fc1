"""Training joined: data of a folder, the one loop, validation by what users care for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import nn

from unfade.datasets.challenge import is_challenge, read_tracked
from unfade.datasets.reading import read_training_folder
from unfade.datasets.stills import Still
from unfade.errors import MissingInputError, OutputError, SettingsError, TruthError, WeightsError
from unfade.models.pretrained import IMAGENET, NONE, load_encoders, pretrained_encoders, unfit_encoders
from unfade.ops.device import Precision
from unfade.ops.relabel import areas
from unfade.pipeline.locking import locked
from unfade.pipeline.own_frames import is_run, read_run
from unfade.pipeline.segmenting import found_in, open_engine, open_stage
from unfade.pipeline.settings import PredictSettings
from unfade.predict.diameter import zoom_for
from unfade.records import Movie
from unfade.registry import load
from unfade.score.detection import count_objects
from unfade.settings import Settings, read_toml, write_toml
from unfade.train.loop import Training, TrainSettings, Validate
from unfade.weights.catalogue import card, load_weights

Progress = Callable[[int, int, dict[str, float]], None]
WORK = ".unfade"  # folder of the lock
THRESHOLDS = (0.5, 0.75)
HELD_SEED, HELD_BATCHES = 1_000_003, 8  # of batches that a system measures itself on


class TrainingSettings(Settings):
    """Everything that decides a training."""

    system: str = Field("nuclei-unet", description="a registered system")
    preset: str = Field("default", description="a preset of the system")
    weights: str | None = Field(None, description="weights to start from; unset = random start")
    encoder_weights: str | None = Field(
        None,
        description="imagenet, none or a file; unset = imagenet where such weights exist, unless weights are given",
    )
    settings: dict[str, Any] = Field({}, description="settings of the system that differ from the preset")
    draw: str | None = Field(None, description="sampler that draws the examples; unset = the system's own")
    metric: str | None = Field(None, description="score by which the best weights are kept; unset = the system's own")
    sampler: dict[str, Any] = Field({}, description="settings of the sampler that differ from its defaults")
    sequences: tuple[str, ...] = Field((), description="sequences of a challenge folder to learn from; empty = all")
    silver: bool = Field(False, description="outlines of a challenge's SEQ_ST stand in where SEQ_GT has none")
    held: float = Field(
        0.1, ge=0, lt=1, description="last share of each tracked sequence for validation; 0 keeps the last weights"
    )
    train: TrainSettings = TrainSettings()


def train(folder: Path, out: Path, settings: TrainingSettings, progress: Progress | None = None) -> dict[str, float]:
    """Train a system on a data folder; weights, curves and checkpoints go to `out`. Gives the best validation scores.

    `progress` is called with step, steps and losses, and once before the first step with counts of what there is to
    learn from.

    Raises
    ------
    InputError, TruthError
        If the data cannot be used.
    SettingsError
        If `out` holds a training with other settings.
    OutputError
        If `out` holds something else, or another training is at work there.
    """
    settings = with_recipe(settings)
    system, start = open_training(settings)
    stills = read_examples(folder, settings, system)
    parts = {part: [s for s in stills if s.part == part] for part in ("train", "val")}
    if not parts["train"]:
        raise MissingInputError(f"{folder} has no image in its training part.")
    if not any((s.labels > 0).any() for s in parts["train"]):
        raise TruthError(f"No mask of the training part of {folder} holds an object.")
    for part, some in parts.items():
        known = system.learnt([s.labels for s in some]) if some else []
        parts[part] = [replace(s, labels=labels) for s, labels in zip(some, known, strict=True)]
    with locked(out, out / WORK):
        _claim(out, settings.changed(encoder_weights=encoder_source(settings, system)))
        loop = Training(system, settings.train, out, start, card(system.name, system.settings.plain()))
        batches = open_sampler(settings, system, parts["train"])
        metric = settings.metric or system.metric
        held = parts["val"] or (parts["train"] if settings.held or metric != "AP" else [])
        if progress is not None:
            progress(0, settings.train.steps, counted(system, parts["train"]))
        return loop.run(batches, open_validation(settings, system, held), metric, progress)


def counted(system: Any, stills: Sequence[Still]) -> dict[str, float]:
    """How many frames and objects there are to learn from, and how many objects are too small to be targets."""
    frames = [np.maximum(frame, 0) for still in stills for frame in still.only(system.view.kinds[-1]).labels]
    found: dict[str, float] = {"frames": len(frames), "objects": sum(len(areas(frame)[0]) for frame in frames)}
    small = sum(system.left_out(np.maximum(still.labels, 0)) for still in stills)
    return {**found, "too small": small} if small else found


def with_recipe(settings: TrainingSettings) -> TrainingSettings:
    """The settings with what the system recommends for the preset wherever nothing was given."""
    recipe = load("systems", settings.system).recipe(settings.preset)
    given = settings.model_dump(mode="json", exclude_unset=True, exclude_none=True)
    parts = {name: {**recipe.get(name, {}), **given.get(name, {})} for name in ("train", "sampler")}
    drawn = {"draw": recipe["draw"]} if "draw" in recipe else {}
    return TrainingSettings.parse({**drawn, **given, **parts})


def read_examples(folder: Path, settings: TrainingSettings, system: Any) -> Sequence[Still]:
    """What a folder holds to learn from: sequences with marks of tracks for samplers that follow objects in time.

    Samplers that need no truth also take a finished run: the frames of its movie.
    """
    kind = load("samplers", settings.draw or system.sampler)
    if getattr(kind, "tracked", False) and is_challenge(folder):
        return read_tracked(folder, settings.sequences, settings.silver, settings.held)
    if getattr(kind, "truthless", False) and is_run(folder):
        return read_run(folder)
    return read_training_folder(folder)


def open_validation(settings: TrainingSettings, system: Any, held: Sequence[Still]) -> Validate:
    """What scores a network while it learns: objects found in the held images, or batches that the system measures."""
    how = settings.train
    if (settings.metric or system.metric) == "AP":
        return partial(score_stills, system, stills=held, device=how.device, precision=how.precision)
    fixed = how.changed(seed=how.seed + HELD_SEED, steps=HELD_BATCHES)
    batches = open_sampler(settings.changed(train=fixed.plain()), system, held, varied=False)

    def validate(network: nn.Module) -> dict[str, float]:
        scores: dict[str, float] = system.measure(network, batches, how.device, how.precision)
        return scores

    return validate


def open_sampler(settings: TrainingSettings, system: Any, stills: Sequence[Still], varied: bool = True) -> Any:
    """The batches of a training: the sampler that was asked for, or the system's own, with its settings.

    Where they are not to be varied and the sampler's settings know a plain form of themselves (`held`), it is that.
    """
    kind = load("samplers", settings.draw or system.sampler)
    chosen = kind.settings_type.parse(settings.sampler)
    if not varied and hasattr(chosen, "held"):
        chosen = chosen.held()
    return kind(stills, system, chosen, settings.train.seed, settings.train.steps)


def open_training(settings: TrainingSettings) -> tuple[Any, dict[str, torch.Tensor] | None]:
    """The system to train and the tensors to start from."""
    kind = load("systems", settings.system)
    if settings.preset not in kind.presets:
        known = ", ".join(kind.presets)
        raise SettingsError(f"'{settings.system}' has no preset '{settings.preset}'; known are: {known}.")
    if settings.weights is None:
        system = kind(kind.settings_type.parse(kind.presets[settings.preset]).overlaid(settings.settings))
        return system, _encoder_start(system, settings)
    found = load_weights(settings.system, settings.weights)
    system = kind(kind.settings_type.parse({**found.settings, **kind.fresh}).overlaid(settings.settings))
    try:
        found.into(system.network())
    except WeightsError as error:
        fixed = [k for k, v in settings.settings.items() if k in kind.of_network and found.settings.get(k) != v]
        if not fixed:
            raise
        raise SettingsError(
            f"The weights {settings.weights} were trained with another '{fixed[0]}'; leave it out, or train anew."
        ) from error
    return system, found.state


def encoder_source(settings: TrainingSettings, system: Any) -> str:
    """Where encoders start from: what was asked for, else ImageNet where such weights exist and no others are given.

    Raises
    ------
    WeightsError
        If nothing was asked for, and ImageNet weights exist for the encoder but do not fit as it is built.
    """
    if settings.encoder_weights is not None:
        return settings.encoder_weights
    if settings.weights is not None:
        return NONE
    network = system.network()
    unfit = unfit_encoders(network)
    if unfit:
        raise WeightsError(
            f"ImageNet weights of {unfit[0].imagenet} do not fit this network, which is narrower or normalised "
            "otherwise; leave its width and batch_norm as they are, or use --encoder-weights none for a random start."
        )
    return IMAGENET if pretrained_encoders(network) else NONE


def _encoder_start(system: Any, settings: TrainingSettings) -> dict[str, torch.Tensor] | None:
    """Tensors of a network whose encoders are trained already and whose decoder is at random; None if all is."""
    source = encoder_source(settings, system)
    torch.manual_seed(settings.train.seed)
    network = system.network()
    if not system.begin(network) and source == NONE:
        return None
    load_encoders(network, source)
    state: dict[str, torch.Tensor] = network.state_dict()
    return state


def score_stills(
    system: Any, network: nn.Module, stills: Sequence[Still], device: str = "auto", precision: Precision = "auto"
) -> dict[str, float]:
    """AP = TP / (TP + FP + FN) at IoU 0.5 and 0.75, pooled over all objects, and their mean `AP`.

    Every still or sequence is rescaled by its true median diameter, as `--diameter` does. All are NaN where no frame
    that is outlined whole holds an object.
    """
    kind = system.view.kinds[-1]
    stills = [still.only(kind) for still in stills]
    if not any(still.labels[still.outlined].any() for still in stills):
        return dict.fromkeys(("AP", *(f"AP@{t:.2f}" for t in THRESHOLDS)), float("nan"))
    how = PredictSettings(device=device, precision=precision)
    engine = open_engine(system, network, how)
    hits = {threshold: [0, 0] for threshold in THRESHOLDS}
    for still in stills:
        diameter, movie = still.diameter_px, Movie.of(still.image)
        zoom = zoom_for(diameter, system.view) if diameter == diameter else 1.0
        stage = open_stage(engine, movie, 0, zoom)
        for found, truth, outlined in zip(found_in(movie, stage), still.labels, still.outlined, strict=True):
            if not outlined:
                continue
            labels = found.labels(kind)[-1]
            for threshold, sums in hits.items():
                counts = count_objects(labels, truth, threshold, strict=True)
                sums[0] += counts.tp
                sums[1] += counts.tp + counts.fp + counts.fn
    out = {f"AP@{t:.2f}": hit / total for t, (hit, total) in hits.items()}
    return {"AP": sum(out.values()) / len(out), **out}


def _claim(out: Path, settings: TrainingSettings) -> None:
    """Take the folder; an earlier training there must have the same settings, but for its length."""
    path = out / "train.toml"
    if path.is_file():
        known = TrainingSettings.parse(read_toml(path))
        longer = {"steps": settings.train.steps, "minutes": settings.train.minutes, "device": settings.train.device}
        if known.changed(train=known.train.changed(**longer).plain()) != settings:
            raise SettingsError(f"{out} holds a training with other settings; choose another folder.")
    elif out.exists() and (not out.is_dir() or {p.name for p in out.iterdir()} - {WORK}):
        raise OutputError(f"{out} is not empty and holds no training; choose another folder.")
    out.mkdir(parents=True, exist_ok=True)
    write_toml(path, settings.plain())
