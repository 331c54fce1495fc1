"""The exam every system passes. Subclass it in a test file; it needs pytest only to be run.

class TestMine(SystemExam):
    def system(self) -> System:
        return MySystem(MySettings())
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from unfade.ops.overlap import contingency
from unfade.settings import Settings
from unfade.systems.base import Maps, System
from unfade.testing.movies import tiny

SIDE = 64  # pixels; a multiple of every stride in use


class SystemExam(ABC):
    """What the engines rely on, checked with a fresh network on a tiny synthetic movie."""

    least_iou: float = 0.9  # of every object after encode → decode
    learning_rate: float = 1e-3
    learning_steps: int = 15

    @abstractmethod
    def system(self) -> System:
        """The system to examine; called anew for every question."""

    def truth(self) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """Labels `(L, Y, X)` and their image `(L, C, Y, X)` of about unit spread, L = 2.

        Of a system that sees a window of L frames to find the objects of one, that one's labels `(1, Y, X)`.
        """
        movie, view = tiny(), self.system().view
        window = len(view.offsets) > 1 and view.block == 1 and not view.recurrent
        frames = [movie.frame(max(1 + o, 0)) for o in (view.offsets if window else range(-1, 1))]
        image = np.stack([frame.image[: view.channels] for frame in frames]).astype(np.float32)
        seen = [movie.frame(1)] if window else frames
        return np.stack([frame.nuclei for frame in seen]), (image - image.mean()) / image.std()

    def activated(self, targets: dict[str, NDArray[np.float32]]) -> NDArray[np.float32]:
        """What a perfect network would hand to `decode`, `(L, K, Y, X)`."""
        return targets["maps"]

    def fresh(self) -> tuple[System, nn.Module]:
        """The system and a network whose random start is always the same."""
        torch.manual_seed(0)
        system = self.system()
        return system, system.network()

    def batch(self, system: System) -> tuple[Maps, Maps]:
        """Inputs and targets of one sequence, batch of two."""
        labels, image = self.truth()
        inputs = {"image": torch.from_numpy(np.stack([image, image[::-1]]))}
        both = [system.encode(labels, image), system.encode(labels[::-1], image[::-1])]
        return inputs, {k: torch.from_numpy(np.stack([b[k] for b in both]).astype(np.float32)) for k in both[0]}

    def test_settings_build_the_same_system_again(self) -> None:
        system = self.system()
        again = type(system)(type(system.settings).parse(system.settings.plain()))
        assert again.settings == system.settings
        assert again.view == system.view
        assert isinstance(system.settings, system.settings_type)

    def test_presets_can_be_built(self) -> None:
        kind = type(self.system())
        assert "default" in kind.presets
        settings: list[Settings] = [kind.settings_type.parse(values) for values in kind.presets.values()]
        assert len({kind(s).name for s in settings}) == 1

    def test_settings_of_the_network_are_settings(self) -> None:
        system = self.system()
        assert system.of_network <= set(system.settings_type.model_fields)

    def test_outputs_fit_their_inputs(self) -> None:
        system, network = self.fresh()
        labels, image = self.truth()
        shape = (1, len(image), system.view.channels, SIDE, SIDE)
        with torch.inference_mode():
            outputs, _ = system.forward(network.eval(), {"image": torch.zeros(shape)})
            maps = system.activate(outputs)
        each = system.view.recurrent or system.view.block > 1
        assert maps.shape[:2] == (1, len(image) if each else len(labels))
        assert maps.shape[3:] == (SIDE, SIDE)
        assert bool(torch.isfinite(maps).all())

    def test_any_multiple_of_the_stride_will_do(self) -> None:
        system, network = self.fresh()
        stride, frames = system.view.stride, len(system.view.offsets)
        image = torch.zeros(1, frames, system.view.channels, 4 * stride, 5 * stride)
        with torch.inference_mode():
            outputs, _ = system.forward(network.eval(), {"image": image})
        assert system.activate(outputs).shape[3:] == image.shape[3:]

    def test_the_same_image_gives_the_same_maps(self) -> None:
        system, network = self.fresh()
        inputs, _ = self.batch(system)
        with torch.inference_mode():
            first, second = (system.forward(network.eval(), inputs)[0] for _ in range(2))
        assert torch.equal(system.activate(first), system.activate(second))

    def test_frames_see_what_the_view_says_and_no_more(self) -> None:
        system, network = self.fresh()
        view = system.view
        inputs, _ = self.batch(system)
        changed = inputs["image"].clone()
        changed[:, 0] += 1
        with torch.inference_mode():
            before, after = (
                system.activate(system.forward(network.eval(), {"image": image})[0])[:, -1]
                for image in (inputs["image"], changed)
            )
        alone = not (view.past or view.future or view.recurrent or view.feedback or view.reference or view.block > 1)
        assert torch.allclose(before, after) == alone

    def test_every_parameter_learns(self) -> None:
        system, network = self.fresh()
        terms = self._terms(system, network.train())
        assert all(term.ndim == 0 and bool(torch.isfinite(term)) for term in terms.values())
        torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
        still = [n for n, p in network.named_parameters() if p.requires_grad and (p.grad is None or not p.grad.any())]
        assert still == []

    def test_training_lowers_the_loss(self) -> None:
        system, network = self.fresh()
        network.train()
        optimiser = torch.optim.Adam(network.parameters(), self.learning_rate)
        course = []
        for _ in range(self.learning_steps):
            loss = torch.stack(list(self._terms(system, network).values())).sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            course.append(loss.item())
        assert course[-1] < 0.8 * course[0]

    def test_the_truth_survives_encode_and_decode(self) -> None:
        system = self.system()
        labels, image = self.truth()
        found = system.decode(self.activated(system.encode(labels, image)))
        assert found.shape == labels.shape
        for mine, true in zip(found.labels(), labels, strict=True):
            iou = contingency(mine, true).iou()
            assert iou.shape[0] == iou.shape[1] > 1
            assert iou.max(axis=0).min() > self.least_iou

    def test_scores_lie_between_0_and_1(self) -> None:
        system = self.system()
        labels, image = self.truth()
        found = system.decode(self.activated(system.encode(labels, image)))
        known = np.concatenate([column[~np.isnan(column)] for column in (found.score, found.u_total)])
        assert ((known >= 0) & (known <= 1)).all()

    def test_an_empty_frame_has_targets_and_no_object(self) -> None:
        system = self.system()
        labels, image = self.truth()
        targets = system.encode(np.zeros_like(labels), np.zeros_like(image))
        assert all(np.isfinite(target).all() for target in targets.values())
        assert len(system.decode(self.activated(targets))) == 0

    def test_probabilities_sum_to_1(self) -> None:
        system, network = self.fresh()
        inputs, _ = self.batch(system)
        with torch.inference_mode():
            maps = system.activate(system.forward(network.eval(), inputs)[0])[:, 0]
            found = system.probabilities(maps)
        if found is not None:
            assert found.shape[2:] == maps.shape[2:]
            assert torch.allclose(found.sum(dim=1), torch.ones(maps.shape[0], *maps.shape[2:]), atol=1e-5)

    def _terms(self, system: System, network: nn.Module) -> dict[str, Tensor]:
        inputs, targets = self.batch(system)
        outputs, _ = system.forward(network, inputs, None)
        return system.loss(outputs, targets)
