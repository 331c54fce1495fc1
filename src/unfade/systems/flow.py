"""flow: FlowNet-C, trained on pairs of frames that differ by a known smooth deformation.

Paper imperfect, section 3.3. It finds no cells: repair uses it to carry masks along. Preset `paper` is the published
network at full width on deformations of 10 control points and magnitude 10; `default` is narrower, compares features
up to 4 places away (32 px) and sees motions of a few pixels, as nuclei of about 20 px make them.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from unfade.losses.flow import endpoint_error, multiscale_error
from unfade.models.flownet import FINEST, FlowNetC
from unfade.ops.device import Precision, autocast, pick_device
from unfade.ops.normalise import levels, scaled
from unfade.records import Instances, View
from unfade.settings import Settings
from unfade.systems.base import Maps, System


class FlowSettings(Settings):
    """What the network is."""

    width: float = Field(0.25, gt=0, le=1, description="channels, as a share of those of the published network")
    reach: int = Field(4, ge=1, le=20, description="farthest displacement that is compared, in pixels of 1/8 size")
    step: int = Field(1, ge=1, le=4, description="steps between the displacements")
    enlarge: int = Field(1, ge=1, le=8, description="times that frames are enlarged before the network sees them")


class Flow(System):
    """Flow from one frame to the next, `(B, 1, 2, Y, X)` px."""

    name: ClassVar[str] = "flow"
    settings_type: ClassVar[type[Settings]] = FlowSettings
    presets: ClassVar[dict[str, dict[str, Any]]] = {
        "default": {},
        "paper": {"width": 1.0, "reach": 20, "step": 2, "enlarge": 1},
    }
    of_network: ClassVar[frozenset[str]] = frozenset({"width", "reach", "step", "enlarge"})
    sampler: ClassVar[str] = "pairs"
    metric: ClassVar[str] = "gain"
    settings: FlowSettings

    @property
    def view(self) -> View:
        """Two frames."""
        return View(offsets=(0, 1), stride=FlowNetC.stride)

    @property
    def vectors(self) -> tuple[tuple[int, int], ...]:
        """Its two maps are one vector."""
        return ((0, 1),)

    def network(self) -> nn.Module:
        """A fresh network; it sees no motion to begin with."""
        s = self.settings
        return FlowNetC(s.width, s.reach, s.step)

    def forward(self, network: nn.Module, inputs: Maps, state: Any = None) -> tuple[Maps, Any]:
        """Flows of all scales, `scale 0` the finest, of `image (B, 2, 1, Y, X)`."""
        times = self.settings.enlarge
        image = inputs["image"][:, :, 0]
        if times > 1:
            image = F.interpolate(image, scale_factor=float(times), mode="bilinear", align_corners=False)
        return {f"scale {k}": flow / times for k, flow in enumerate(network(image))}, None

    def encode(self, labels: np.ndarray, image: np.ndarray) -> dict[str, np.ndarray]:
        """Nothing: the flow is known to the sampler that made it."""
        return {}

    def loss(self, outputs: Maps, targets: Maps) -> dict[str, Tensor]:
        """Weighted endpoint errors of all scales."""
        return {"endpoint": multiscale_error(list(outputs.values()), targets["flow"][:, 0])}

    def activate(self, outputs: Maps) -> Tensor:
        """The finest flow enlarged to the image, `(B, 1, 2, Y, X)` px."""
        times = FINEST / self.settings.enlarge
        return F.interpolate(outputs["scale 0"], scale_factor=times, mode="bilinear", align_corners=False)[:, None]

    def decode(self, maps: np.ndarray, zoom: float = 1.0) -> Instances:
        """No objects: a flow has none."""
        return Instances.of(np.zeros((len(maps), *maps.shape[-2:]), np.int32))

    def measure(
        self, network: nn.Module, batches: Any, device: str = "auto", precision: Precision = "auto"
    ) -> dict[str, float]:
        """Mean endpoint error, px, of held batches, that of no flow, and `gain`, one minus their ratio."""
        found = alone = 0.0
        where = pick_device(device)
        for k in range(len(batches)):
            batch = batches[k]
            with torch.inference_mode(), autocast(where, precision):
                outputs, _ = self.forward(network, {n: v.to(where) for n, v in batch["inputs"].items()})
            flow, truth = self.activate({n: v.float().cpu() for n, v in outputs.items()}), batch["targets"]["flow"]
            found += float(endpoint_error(flow[:, 0], truth[:, 0])) / len(batches)
            alone += float(endpoint_error(torch.zeros_like(truth[:, 0]), truth[:, 0])) / len(batches)
        return {"gain": 1 - found / max(alone, 1e-9), "EPE_px": found, "EPE_px of no flow": alone}


class FlowNetMotion:
    """Dense flow between two frames by a trained network."""

    def __init__(self, system: Flow, network: nn.Module, device: str = "auto", precision: Precision = "auto") -> None:
        self.system, self.precision, self.device = system, precision, pick_device(device)
        self.network = network.to(self.device).eval()

    def between(self, first: np.ndarray, second: np.ndarray) -> np.ndarray:
        """Flow `(2, Y, X)` px: what lies at p in `first` `(Y, X)` lies at p + flow(p) in `second`."""
        pair = np.stack([scaled(image, levels(image)) for image in (first, second)])
        height, width = first.shape
        stride = self.system.view.stride
        image = torch.from_numpy(pair)[None]
        image = F.pad(image, (0, -width % stride, 0, -height % stride), mode="replicate").to(self.device)
        with torch.inference_mode(), autocast(self.device, self.precision):
            outputs, _ = self.system.forward(self.network, {"image": image[:, :, None]})
        flow = self.system.activate({k: v.float() for k, v in outputs.items()})[0, 0]
        return np.asarray(flow[:, :height, :width].cpu().numpy(), np.float32)
