"""Settings of a whole run, one table per stage, as they stand in `run.toml`."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from unfade.data import ReadSettings
from unfade.link import LinkSettings
from unfade.measure import MeasureSettings
from unfade.ops.device import Precision
from unfade.predict.estimators import EstimatorSettings
from unfade.repair import RepairSettings
from unfade.settings import Settings


class InputSettings(Settings):
    """Which part of the movie is used, and for what."""

    path: str | None = Field(None, description="the movie, unless the command names one")
    read: ReadSettings = Field(ReadSettings(), description="axes, projection, calibration and window of frames")
    segment_channel: str = Field("0", description="channel that is segmented, by name or index")
    measure_channels: tuple[str, ...] = Field((), description="channels that are measured; empty = all")


class SystemSettings(Settings):
    """Which system finds the cells."""

    name: str = Field("nuclei-unet", description="a registered system")
    weights: str | None = Field(None, description="shipped name or path of the weights; unset = the system's default")
    settings: dict[str, Any] = Field({}, description="settings of the system that differ from those in the weights")


class PredictSettings(Settings):
    """How the network is run."""

    diameter: float | Literal["auto"] = Field("auto", description="median diameter of the objects, px; auto = measured")
    device: str = Field("auto", description="auto | cpu | cuda | mps")
    precision: Precision = Field("auto", description="auto | float32 | bfloat16")
    tile_px: int = Field(1024, ge=128, description="largest side of a tile as the network sees it, px")
    uncertainty: str | None = Field(
        None, description="estimator of uncertainty: dropout | tta | ensemble | snapshot | wta | ewta; unset = none"
    )
    members: tuple[str, ...] = Field((), description="weights of the further members of an ensemble")
    estimator: EstimatorSettings = Field(EstimatorSettings(), description="how members are made")
    starter: SystemSettings | None = Field(
        None, description="system for single frames that gives a network fed with its own masks the first one"
    )
    follow: Literal["whole", "ilk", "tvl1"] | None = Field(
        None,
        description="how other frames follow the picture: whole = it moves as one | a dense flow, for masks fed back",
    )


class RepairTable(RepairSettings):
    """Whether and how uncertain masks are repaired."""

    enabled: bool = Field(False, description="whether uncertain masks are repaired")


class RunSettings(Settings):
    """Everything that decides the result of `unfade run`."""

    input: InputSettings = InputSettings()
    system: SystemSettings = SystemSettings()
    predict: PredictSettings = PredictSettings()
    link: LinkSettings = LinkSettings()
    repair: RepairTable = RepairTable()
    measure: MeasureSettings = MeasureSettings()
