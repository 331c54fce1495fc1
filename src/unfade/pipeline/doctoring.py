"""What a network can see: its receptive field against a movie's objects, boundary bands and loss maps of stills.

Paper nuclei-unet: figure 2 (effective receptive field at positions of the output and in the layers), figure 4 (bands
around the boundaries) and figure 5 (loss maps).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from unfade.data.outputs import guarded, write_json
from unfade.datasets.stills import Still, read_stills
from unfade.errors import MissingInputError, SettingsError
from unfade.pipeline.segmenting import find_diameter, open_engine, open_predictor, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.predict.diameter import Diameter, zoom_for
from unfade.predict.engine import Engine
from unfade.predict.receptive_field import Field as Seen
from unfade.predict.receptive_field import receptive_fields
from unfade.records import Movie
from unfade.registry import load
from unfade.settings import Settings

Progress = Callable[[str, int, int], None]

POSITIONS = {"middle": (0.5, 0.5), "edge": (0.5, 0.0), "corner": (0.0, 0.0)}  # shares of height and width
SIDE_PX, LARGEST_PX = 256, 512  # of the noise that the network sees, and the most it is widened to
INNER = 0.25  # a window is wide enough when the outermost radius is within this share of its side
NEAR, HALF, MOST = SHARES = (0.05, 0.5, 0.95)  # of the weight, whose radii are told
PICTURE_DPI = 200
BAND_PX, SIGMA_PX = 7, 1.0  # the band around boundaries, and the smoothing before Canny's edges


Share = Annotated[float, Field(ge=0, le=1)]


class DoctorSettings(Settings):
    """What is examined, and how."""

    system: str = Field("nuclei-unet", description="a registered system")
    weights: str | None = Field(None, description="name or path of weights; none = a random start; unset = its default")
    channel: str = Field("0", description="channel of the movie with the objects, by name or index")
    diameter: float | Literal["auto"] = Field("auto", description="median diameter of the objects, px; auto = measured")
    draws: int = Field(8, ge=1, description="random inputs to average over")
    at: tuple[tuple[Share, Share], ...] = Field(
        (), description="output pixels, shares of height and width; empty = edge and corner; the middle always is one"
    )
    device: str = Field("auto", description="auto | cpu | cuda | mps")

    @property
    def chosen(self) -> SystemSettings:
        """The system and its weights."""
        return SystemSettings(name=self.system, weights=self.weights)

    @property
    def positions(self) -> dict[str, tuple[float, float]]:
        """The output pixels by name, the middle first."""
        if not self.at:
            return POSITIONS
        return {"middle": POSITIONS["middle"], **{f"y{y:g}-x{x:g}": (y, x) for y, x in self.at}}

    @property
    def predict(self) -> PredictSettings:
        """How the network is run."""
        return PredictSettings(diameter=self.diameter, device=self.device)


@dataclass(frozen=True)
class Diagnosis:
    """What one network sees, in pixels of the image as the network gets it."""

    system: str
    weights: str | None  # None: a random start
    fields: dict[str, list[Seen]]  # by position: of the input, then of the layers, from the first one on
    diameter: Diameter | None  # median of the movie's objects, px of the movie
    verdicts: tuple[str, ...]
    window_px: int  # side of the noise that the network saw

    @property
    def near_px(self) -> float:
        """Radius that holds 5 % of the weight of the middle pixel's field."""
        return self.fields["middle"][0].radius_px(NEAR)

    @property
    def half_px(self) -> float:
        """Radius that holds half of the weight of the middle pixel's field."""
        return self.fields["middle"][0].radius_px(HALF)

    @property
    def most_px(self) -> float:
        """Radius that holds 95 % of that weight."""
        return self.fields["middle"][0].radius_px(MOST)

    @property
    def capped(self) -> bool:
        """Whether the window may end before the field does, so that radii are at least those told."""
        return self.most_px > INNER * self.window_px

    def facts(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return {
            "system": self.system,
            "weights": self.weights,
            "window_px": self.window_px,
            "capped": self.capped,
            **_radii(self.fields["middle"][0]),
            "positions": {name: _radii(f[0]) for name, f in self.fields.items()},
            "layers": [{"layer": f.layer, "stride": f.stride, **_radii(f)} for f in self.fields["middle"][1:]],
            "diameter_px": None if self.diameter is None else self.diameter.px,
            "zoom": None if self.diameter is None else self.diameter.zoom,
            "verdicts": list(self.verdicts),
        }


def _radii(field: Seen) -> dict[str, float]:
    """Radii that hold 5 %, 50 % and 95 % of a field's weight."""
    return {f"radius_{100 * share:.0f}_px": field.radius_px(share) for share in SHARES}


def examine(
    settings: SystemSettings,
    movie: Movie | None = None,
    channel: str | int = 0,
    predict: PredictSettings = PredictSettings(),
    draws: int = 8,
    progress: Progress | None = None,
    positions: dict[str, tuple[float, float]] = POSITIONS,
) -> Diagnosis:
    """Effective receptive field of a system with its weights, judged against its own objects and a movie's.

    `weights = "none"` takes a random start, which shows what the build alone allows. `positions` are the output pixels,
    shares of height and width, and hold `middle`, which is judged. The window of noise is doubled once where its outer
    half (all but the inner quarter of its area) holds more than 5 % of the middle pixel's weight.

    Raises
    ------
    WeightsError, SettingsError
        If the weights cannot be had, or the system gives no map of pixels.
    """
    engine, weights = open_for_doctor(settings, predict)
    view = engine.system.view
    told = None if progress is None else lambda done, total: progress("receptive field", done, total)
    side = -(-SIDE_PX // view.stride) * view.stride
    while True:
        found = receptive_fields(engine, tuple(positions.values()), side, draws, 0, told)
        fields = dict(zip(positions, found, strict=True))
        radii = [fields["middle"][0].radius_px(share) for share in SHARES]
        if radii[-1] <= INNER * side or 2 * side > LARGEST_PX:
            break
        side *= 2
    diameter = None if movie is None else find_diameter(engine, movie, movie.channel(channel), predict)
    sentences = verdicts(radii, view.diameter_px, diameter, side if radii[-1] > INNER * side else None)
    return Diagnosis(settings.name, weights, fields, diameter, tuple(sentences), side)


def open_for_doctor(settings: SystemSettings, predict: PredictSettings) -> tuple[Engine, str | None]:
    """The engine of a system in full precision, and the name of its weights, None for a random start."""
    exact = predict.changed(precision="float32")
    if settings.weights == "none":
        kind = load("systems", settings.name)
        torch.manual_seed(0)
        system = kind(kind.settings_type.parse(settings.settings))
        return open_engine(system, system.network(), exact), None
    system, weights = open_system(settings)
    return open_predictor(system, weights, exact), weights.name


def verdicts(
    radii: Sequence[float], trained: tuple[float, float], diameter: Diameter | None, capped_px: int | None = None
) -> list[str]:
    """Plain sentences: how far a pixel sees, and what that means for objects of these sizes.

    `radii` hold 5 %, 50 % and 95 % of the weight; `capped_px` is the window's side where it may have cut the field.
    """
    near, half, most = radii
    out = [
        f"Of what decides a pixel, 5 % lies within {near:.0f} px of it, 50 % within {half:.0f} px and 95 % within "
        f"{most:.0f} px, in the image as the network gets it."
    ]
    if capped_px is not None:
        out.append(f"That was seen in a window of {capped_px} px, which may cut it off: it sees at least so far.")
    if diameter is None:
        low, high = trained
        out.append(f"It was trained for objects of {low:.0f} to {high:.0f} px: of the largest, {_sees(high, most)}.")
        return out
    if diameter.px is None:
        out.append(
            "No object was found in the frame of the movie that was looked at, so there is nothing to compare with."
        )
        return out
    seen = diameter.px * diameter.zoom
    scale = "" if diameter.zoom == 1 else f", which the network gets as {seen:.0f} px"
    out.append(f"Objects of the movie have a median diameter of {diameter.px:.0f} px{scale}: {_sees(seen, most)}.")
    if most < seen / 2:
        best = 2 * most
        out.append(
            f"Give --diameter {diameter.px * seen / best:.0f} to have them shrunk to {best:.0f} px, or choose a system "
            "that sees further."
        )
    return out


def _sees(diameter: float, most: float) -> str:
    if most >= diameter:
        return "a pixel sees the whole object from wherever in it it lies"
    if most >= diameter / 2:
        return "a pixel in the middle sees as far as the rim, one at the rim does not see across"
    return "a pixel in the middle does not see the rim, so large objects may get holes or fall apart"


def write_diagnosis(folder: Path, found: Diagnosis) -> list[Path]:
    """Figures of the field at every position and in the layers, and `doctor.json`; give the files.

    Raises
    ------
    OutputError
        If they cannot be written.
    """
    from unfade.report import figures

    with guarded(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, fields in found.fields.items():
        seen = fields[0]
        radii = np.arange(int(np.ceil(seen.radius_px(0.995))) + 2)
        limits = {f"{100 * share:.0f} %": seen.radius_px(share) for share in SHARES}
        if found.diameter is not None and found.diameter.px is not None:
            limits["radius of the objects"] = found.diameter.px * found.diameter.zoom / 2
        figure = figures.reach(seen.weight, shares_within(seen, radii), limits, f"{found.system}, {name} pixel")
        written.append(folder / f"receptive-field-{name}.svg")
        figures.save(figure, written[-1])
    layers = found.fields["middle"][1:]
    shown = [layers[k] for k in np.unique(np.linspace(0, len(layers) - 1, min(6, len(layers))).round().astype(int))]
    names = [f"{f.layer}, 1/{f.stride:g}" for f in shown]
    if shown:
        figure = figures.pictures([[np.sqrt(f.weight) for f in shown]], names, f"{found.system}, layers, middle pixel")
        written.append(folder / "receptive-field-layers.svg")
        figures.save(figure, written[-1])
    written.append(folder / "doctor.json")
    write_json(written[-1], found.facts())
    return written


def shares_within(field: Seen, radii: NDArray[Any]) -> NDArray[np.float64]:
    """Share of a field's weight within each of these radii, px."""
    y, x = np.ogrid[: field.weight.shape[0], : field.weight.shape[1]]
    far = np.hypot(y * field.stride - field.at_px[0], x * field.stride - field.at_px[1]).ravel()
    order = np.argsort(far, kind="stable")
    total = np.concatenate([[0.0], np.cumsum(field.weight.ravel()[order])])
    return np.asarray(total[np.searchsorted(far[order], radii, side="right")])


def boundary_band(truth: NDArray[Any]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Canny's edges of a mask `(Y, X)` and the band they become by dilation with a 7 x 7 square: figure 4."""
    from skimage.feature import canny

    edges = np.asarray(canny((truth > 0).astype(float), sigma=SIGMA_PX), bool)
    return edges, ndimage.binary_dilation(edges, np.ones((BAND_PX, BAND_PX), bool))


def loss_map(probability: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.float64]:
    """Cross-entropy of every pixel `(Y, X)` of a foreground probability: figure 5."""
    chance = np.clip(probability, 1e-6, 1 - 1e-6)
    return np.asarray(-np.where(truth > 0, np.log(chance), np.log(1 - chance)), np.float64)


def foreground(engine: Engine, still: Still) -> NDArray[np.float32]:
    """Probability of the foreground `(Y, X)` in a still, seen at the size that suits its objects.

    Raises
    ------
    SettingsError
        If the system has no such probability.
    """
    maps_of = getattr(engine, "maps", None)
    view = engine.system.view
    if maps_of is None or view.offsets != (0,):
        raise SettingsError("Loss maps are made of single frames; choose a system that sees one frame at a time.")
    zoom = zoom_for(still.diameter_px, view) if np.isfinite(still.diameter_px) else 1.0
    maps = torch.from_numpy(maps_of(still.image[0, :1], zoom))[None]
    chances = engine.system.probabilities(maps)
    if chances is None:
        raise SettingsError("This system gives no probability of the foreground, of which loss maps are made.")
    return np.asarray(1 - chances[0, 0].numpy(), np.float32)


def write_examples(folder: Path, engine: Engine, stills: Path, count: int = 4) -> list[Path]:
    """Pictures of boundary bands (figure 4) and loss maps (figure 5) of stills of the validation part; give the files.

    Raises
    ------
    MissingInputError
        If the folder of stills has none with an object.
    SettingsError
        If the system has no foreground probability.
    """
    from unfade.report import figures

    held = [s for s in read_stills(stills, ("val",)) if s.labels.any()]
    if not held:
        raise MissingInputError(f"{stills} has no validation still with an object in it; give another folder.")
    chosen = [held[k] for k in np.unique(np.linspace(0, len(held) - 1, min(count, len(held))).round().astype(int))]
    bands, losses = [], []
    for still in chosen:
        image, truth = still.image[0, 0].astype(float), still.labels[0]
        chance = foreground(engine, still)
        edges, band = boundary_band(truth)
        bands.append([image, truth > 0, edges, band, np.where(band, chance > 0.5, 0.5)])
        losses.append([image, truth > 0, chance > 0.5, loss_map(chance, truth)])
    with guarded(folder):
        folder.mkdir(parents=True, exist_ok=True)
    return [
        _drawn(figures, folder / "boundary-bands.png", bands, ["image", "truth", "edges", "band", "found in the band"]),
        _drawn(figures, folder / "loss-maps.png", losses, ["image", "truth", "found", "loss of every pixel"]),
    ]


def _drawn(figures: Any, path: Path, rows: Sequence[Sequence[NDArray[Any]]], columns: Sequence[str]) -> Path:
    title = "Bands around boundaries" if "bands" in path.name else "Cross-entropy of every pixel"
    figures.save(figures.pictures(rows, columns, title), path, PICTURE_DPI)
    return path
