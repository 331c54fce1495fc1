"""The only training loop: steps, mixed precision, averaged weights, curves, checkpoints, resume."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Subset

from unfade.ops.device import Compiled, Precision, autocast, compiled, pick_device
from unfade.ops.tensorfile import write_tensors
from unfade.train.checkpoint import load_progress, save_progress
from unfade.train.log import Curves
from unfade.train.schedule import RateSettings, ends_cycle, rate_at


class TrainSettings(RateSettings):
    """How a network is trained, whatever it is."""

    optimiser: Literal["adamw", "sgd"] = Field("adamw", description="AdamW, or SGD with momentum 0.9")
    decay: float = Field(1e-4, ge=0, description="decoupled weight decay of AdamW; 0 gives plain Adam")
    average: float = Field(0.998, ge=0, lt=1, description="decay of the running average of weights; 0 = none")
    clip: float = Field(1.0, ge=0, description="largest gradient norm; 0 = no limit")
    check_every: int = Field(1000, ge=1, description="steps between validations")
    patience: int = Field(0, ge=0, description="stop after so many validations without a better one; 0 = never")
    snapshots: int = Field(4, ge=1, description="snapshots kept under the schedule 'restarts', the last ones")
    save_every: int = Field(250, ge=1, description="steps between checkpoints to resume from")
    minutes: float | None = Field(None, gt=0, description="stop after this long, min; the schedule follows the clock")
    workers: int = Field(1, ge=0, description="processes that prepare batches")
    seed: int = Field(0, ge=0, description="seed of the random start and of every batch")
    device: str = Field("auto", description="auto | cpu | cuda | mps")
    precision: Precision = Field("auto", description="auto | float32 | bfloat16")
    compiled: Compiled = Field("no", description="no | kernels: torch.compile | graphs: CUDA graphs too")
    tensorboard: bool = Field(False, description="write TensorBoard curves too")


class Learner(Protocol):
    """The part of a system that the loop needs."""

    shown: ClassVar[tuple[str, ...]]  # targets that `forward` sees in training

    def network(self) -> nn.Module:
        """A fresh network."""
        ...

    def forward(
        self, network: nn.Module, inputs: dict[str, Tensor], state: Any = None
    ) -> tuple[dict[str, Tensor], Any]:
        """Outputs and state."""
        ...

    def loss(self, outputs: dict[str, Tensor], targets: dict[str, Tensor]) -> dict[str, Tensor]:
        """Named scalars to sum."""
        ...


Validate = Callable[[nn.Module], dict[str, float]]
Progress = Callable[[int, int, dict[str, float]], None]


class Training:
    """A training in `folder`, resumed where an earlier one of the same folder stopped."""

    def __init__(
        self,
        system: Learner,
        settings: TrainSettings,
        folder: Path,
        start: dict[str, Tensor] | None = None,
        metadata: dict[str, str] | None = None,
    ) -> None:
        torch.manual_seed(settings.seed)
        self.system, self.settings, self.folder, self.metadata = system, settings, folder, metadata
        self.device = pick_device(settings.device)
        network = system.network()
        if start is not None:
            network.load_state_dict(start)
        self.network = network.to(self.device).to(memory_format=torch.channels_last)
        self.runner = compiled(self.network, settings.compiled)  # shares the weights
        self.average = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.optimiser = self._optimiser()
        self.step, self.spent, self.best, self.waited = 0, 0.0, -math.inf, 0
        self.scores: dict[str, float] = {}  # of the weights kept as best
        folder.mkdir(parents=True, exist_ok=True)
        self._resume()
        self.curves = Curves(folder, self.step, settings.tensorboard)

    def run(
        self, batches: Dataset[Any], validate: Validate, metric: str, progress: Progress | None = None
    ) -> dict[str, float]:
        """Train to the end and give the validation scores of the best weights, kept as `best.safetensors`.

        `validate` scores a network in evaluation mode; larger `metric` is better. As long as it is NaN, since there is
        nothing to compare with, the latest weights are kept.
        """
        s = self.settings
        scores: dict[str, float] = {}
        sums: dict[str, float] = {}
        clock, seen = time.monotonic(), 0
        for batch in self._loader(batches):
            if self._fraction() >= 1 or self._tired():
                break
            for name, value in self._one(batch).items():
                sums[name] = sums.get(name, 0.0) + value
            seen, self.step = seen + 1, self.step + 1
            now = time.monotonic()
            self.spent, clock = self.spent + now - clock, now
            last = self._fraction() >= 1
            if progress is not None and (self.step % 50 == 0 or last):
                progress(self.step, s.steps, {k: v / seen for k, v in sums.items()})
            if self.step % s.check_every == 0 or last:
                scores = validate(self.average)
                self.curves.add(
                    self.step, {**{k: v / seen for k, v in sums.items()}, **scores, "minutes": self.spent / 60}
                )
                sums, seen, clock = {}, 0, time.monotonic()
                self._choose(scores, metric)
                last = last or self._tired()
            if ends_cycle(s, self.step):
                self._snapshot()
            if self.step % s.save_every == 0 or last:
                self._save()
            if last:
                break
        self.curves.close()
        return self.scores or scores

    def _choose(self, scores: dict[str, float], metric: str) -> None:
        """Keep the averaged weights if they are the best so far, or as long as nothing tells the best."""
        score = scores[metric]
        if math.isnan(score):
            better = math.isnan(self.scores.get(metric, math.nan))
        else:
            better = score > self.best
            self.best, self.waited = (score, 0) if better else (self.best, self.waited + 1)
        if better:
            self.scores = scores
            self._write("best.safetensors", self.average)

    def _write(self, name: str, network: nn.Module) -> None:
        """Weights with the step that they are of."""
        write_tensors(self.folder / name, network.state_dict(), {**(self.metadata or {}), "step": str(self.step)})

    def _one(self, batch: dict[str, dict[str, Tensor]]) -> dict[str, float]:
        s = self.settings
        inputs = {k: v.to(self.device, non_blocking=True) for k, v in batch["inputs"].items()}
        targets = {k: v.to(self.device, non_blocking=True) for k, v in batch["targets"].items()}
        inputs |= {k: targets[k] for k in self.system.shown}
        targets["progress"] = torch.tensor(self._fraction())
        torch.manual_seed(s.seed * 1_000_003 + self.step)  # whatever a step draws, a resumed training draws again
        rate = rate_at(s, self.step, self._fraction())
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.runner.train()
        with autocast(self.device, s.precision):
            outputs, _ = self.system.forward(self.runner, inputs)
        terms = self.system.loss({k: v.float() for k, v in outputs.items()}, targets)
        total = torch.stack(list(terms.values())).sum()
        self.optimiser.zero_grad(set_to_none=True)
        total.backward()  # type: ignore[no-untyped-call]
        if s.clip:
            nn.utils.clip_grad_norm_(self.network.parameters(), s.clip)
        self.optimiser.step()
        self._follow()
        return {"loss": float(total.detach()), **{f"loss/{k}": float(v.detach()) for k, v in terms.items()}}

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the running average towards the current weights."""
        keep = min(self.settings.average, (1 + self.step) / (10 + self.step))
        for mean, now in zip(self.average.state_dict().values(), self.network.state_dict().values(), strict=True):
            if mean.is_floating_point():
                mean.lerp_(now, 1 - keep)
            else:
                mean.copy_(now)

    def _fraction(self) -> float:
        """How much of the training is done, 0..1, by steps or by the clock, whichever is further."""
        s = self.settings
        done = self.step / s.steps
        return done if s.minutes is None else max(done, self.spent / 60 / s.minutes)

    def _tired(self) -> bool:
        """Whether validation has not become better for long enough (early stopping)."""
        return 0 < self.settings.patience <= self.waited

    def _snapshot(self) -> None:
        """Keep the weights as they are before the rate restarts; of earlier ones the last few."""
        number = self.step // self.settings.cycle
        self._write(f"snapshot-{number}.safetensors", self.network)
        (self.folder / f"snapshot-{number - self.settings.snapshots}.safetensors").unlink(missing_ok=True)

    def _optimiser(self) -> torch.optim.Optimizer:
        s, parameters = self.settings, self.network.parameters()
        if s.optimiser == "sgd":
            return torch.optim.SGD(parameters, s.rate, momentum=0.9, weight_decay=s.decay)
        return torch.optim.AdamW(parameters, s.rate, weight_decay=s.decay, fused=self.device.type != "mps")

    def _loader(self, batches: Dataset[Any]) -> DataLoader[Any]:
        left = Subset(batches, range(self.step, self.settings.steps))
        workers = self.settings.workers
        return DataLoader(left, batch_size=None, num_workers=workers, prefetch_factor=4 if workers else None)

    def _save(self) -> None:
        save_progress(
            self.folder / "last.pt",
            {
                "step": self.step,
                "spent": self.spent,
                "best": self.best,
                "waited": self.waited,
                "scores": self.scores,
                "network": self.network.state_dict(),
                "average": self.average.state_dict(),
                "optimiser": self.optimiser.state_dict(),
            },
        )

    def _resume(self) -> None:
        path = self.folder / "last.pt"
        if not path.is_file():
            return
        found = load_progress(path)
        self.network.load_state_dict(found["network"])
        self.average.load_state_dict(found["average"])
        self.optimiser.load_state_dict(found["optimiser"])
        self.step, self.spent, self.best = found["step"], found["spent"], found["best"]
        self.waited, self.scores = found.get("waited", 0), found.get("scores", {})
