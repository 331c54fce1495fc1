"""Systems of boxes and masks: what they learn, and what they make of answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from unfade.datasets.stills import Still
from unfade.errors import SettingsError, WeightsError
from unfade.instances.boxes import compartments
from unfade.losses.shape_aware import shape_aware_weight
from unfade.models.maskheads import MaskHead
from unfade.ops.boxes import sampled
from unfade.ops.entropy import entropy
from unfade.ops.relabel import NUCLEUS
from unfade.ops.tensorfile import read_tensors, write_tensors
from unfade.pipeline.segmenting import open_members, open_system
from unfade.pipeline.settings import PredictSettings, SystemSettings
from unfade.pipeline.training import TrainingSettings, counted, open_training
from unfade.predict.estimators import EstimatorSettings, Hypotheses
from unfade.registry import load
from unfade.systems.imperfect import Imperfect, ImperfectSettings
from unfade.systems.regions import RegionSystem
from unfade.systems.shape_aware import ShapeAware, ShapeAwareSettings
from unfade.systems.shape_aware_unet import ShapeAwareUNet, ShapeAwareUNetSettings
from unfade.train.loop import Training, TrainSettings
from unfade.train.sampler import CropSampler, SamplerSettings
from unfade.weights.catalogue import card

TINY: dict[str, Any] = {
    "backbone": "resnet18",
    "levels": 2,
    "width": 16,
    "box_width": 32,
    "anchors_px": [8, 16, 32],
    "proposals": 50,
    "regions": 32,
    "most": 20,
    "diameter_px": [12.0, 30.0],
}


def labels() -> np.ndarray:
    cells = np.zeros((2, 64, 64), np.int32)
    cells[0, 4:20, 6:24], cells[0, 30:50, 28:50], cells[1, 20:44, 20:40] = 3, 9, 4
    nuclei = np.zeros_like(cells)
    nuclei[0, 8:14, 10:18], nuclei[1, 28:36, 26:34] = 1, 2
    return compartments(cells, nuclei)


def batch(system: RegionSystem) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    truth = labels() if system.settings.classes == 3 else labels() % NUCLEUS
    noise = np.random.default_rng(0).normal(0, 0.2, truth.shape)
    image = ((truth > 0) + noise).astype(np.float32)[:, None]
    targets = {k: torch.from_numpy(v)[:, None] for k, v in system.encode(truth, image).items()}
    return {"image": torch.from_numpy(image)[:, None], "labels": targets["labels"]}, targets


def shape_aware(**changes: Any) -> ShapeAware:
    return ShapeAware(ShapeAwareSettings.parse({**TINY, **changes}))


def imperfect(**changes: Any) -> Imperfect:
    return Imperfect(
        ImperfectSettings.parse({**TINY, "classes": 3, "heads": 4, "noise": True, "merge": True, **changes})
    )


def outputs_of(logits: torch.Tensor, log_sigma: torch.Tensor | None = None) -> dict[str, torch.Tensor]:
    """Outputs of a network whose one region is the first cell."""
    zero = torch.zeros(())
    out = {"rpn": zero, "rpn_box": zero, "class": zero, "box": zero, "mask_logits": logits}
    out |= {"region": torch.tensor([[6.0, 4, 24, 20]]), "which": torch.zeros(1), "id": torch.full((1,), 3.0)}
    return out | ({} if log_sigma is None else {"log_sigma": log_sigma})


@pytest.mark.parametrize("name", ["shape-aware", "imperfect"])
def test_presets_of_both_papers_are_settings(name: str) -> None:
    kind = load("systems", name)
    assert {"default", "paper"} <= set(kind.presets)
    for values in kind.presets.values():
        system = kind(kind.settings_type.parse(values))
        assert system.view.join == "instances"
        assert system.of_network <= set(kind.settings_type.model_fields)
        assert kind.settings_type.parse(system.settings.plain()) == system.settings
    paper = kind.settings_type.parse(kind.presets["paper"])
    assert (paper.backbone, paper.mask_px) == ("resnet50", 28)
    assert (paper.alpha, paper.sigma_px) == (10, 5)
    assert kind.presets["paper"].get("classes", 1) == (1 if name == "shape-aware" else 3)


@pytest.mark.parametrize(
    "system", [shape_aware(), shape_aware(loss="focal"), shape_aware(noise=True), imperfect(merge=False, evolving=True)]
)
def test_every_parameter_learns(system: RegionSystem) -> None:
    torch.manual_seed(0)
    network = system.network().train()
    inputs, targets = batch(system)
    targets["progress"] = torch.tensor(0.0)
    outputs, _ = system.forward(network, inputs)
    terms = system.loss({k: v.float() for k, v in outputs.items()}, targets)
    assert set(terms) == {"rpn", "rpn_box", "class", "box", "mask"}
    torch.stack(list(terms.values())).sum().backward()  # type: ignore[no-untyped-call]
    still = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    assert [name for name in still if "layer_blocks" not in name and "inner_blocks" not in name] == []


def test_the_mask_loss_is_equation_2_with_the_weights_of_equation_3() -> None:
    system = shape_aware()
    _, targets = batch(system)
    logits = torch.randn(1, 1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    box, first = torch.tensor([[6.0, 4, 24, 20]]), torch.zeros(1, dtype=torch.long)
    inside = (sampled(targets["labels"][:, 0], first, box, 28) == 3).float()
    distance = sampled(targets["distance"][:, 0], first, box, 28)
    ratio = (64 * 64 - 16 * 18 - 20 * 22) / (16 * 18 + 20 * 22)
    weight = shape_aware_weight(distance, inside, ratio)
    each = F.binary_cross_entropy_with_logits(logits[:, 0, 0], inside, reduction="none")
    want = (weight * each).sum() / weight.sum()
    assert system.loss(outputs_of(logits), targets)["mask"].item() == pytest.approx(want.item(), rel=1e-5)
    plain = shape_aware(loss="bce").loss(outputs_of(logits), targets)["mask"]
    assert plain.item() == pytest.approx(each.mean().item(), rel=1e-5)
    assert plain.item() != pytest.approx(want.item(), rel=1e-3)


def test_a_cell_teaches_its_cytosol_and_its_nucleus() -> None:
    system = imperfect(heads=1, noise=False, merge=False)
    _, targets = batch(system)
    box, first = torch.tensor([[6.0, 4, 24, 20]]), torch.zeros(1, dtype=torch.long)
    seen = sampled(targets["labels"][:, 0], first, box, 28)
    truth = torch.where(seen == 3 + NUCLEUS, 2, 1)
    right = F.one_hot(truth, 3).permute(0, 3, 1, 2)[:, None].float() * 50
    assert system.loss(outputs_of(right), targets)["mask"].item() < 1e-6
    swapped = right[:, :, [0, 2, 1]]
    assert system.loss(outputs_of(swapped), targets)["mask"].item() > 40


@pytest.mark.parametrize(("done", "learning"), [(0.0, 4), (0.5, 2), (0.9, 1)])
def test_fewer_heads_learn_as_training_goes_on(done: float, learning: int) -> None:
    system = imperfect(evolving=True, merge=False, noise=False)
    _, targets = batch(system)
    logits = torch.randn(1, 4, 3, 28, 28, generator=torch.Generator().manual_seed(0)).requires_grad_()
    system.loss(outputs_of(logits), {**targets, "progress": torch.tensor(done)})["mask"].backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert int(logits.grad.flatten(2).any(2).sum()) == learning


def test_parts_add_up_and_lie_between_0_and_1() -> None:
    system = imperfect()
    logits = torch.randn(5, 4, 3, 28, 28, generator=torch.Generator().manual_seed(0)) * 3
    sigma = torch.zeros(5, 4, 1, 28, 28)
    answer = {"mask_logits": logits, "log_sigma": sigma}
    for extra in ({}, {"merged_logits": logits[:, :1], "merged_sigma": sigma[:, :1]}):
        chances, parts = system.told([{**answer, **extra}])
        assert chances.shape == (5, 3, 28, 28)
        assert torch.allclose(chances.sum(1), torch.ones(5, 28, 28), atol=1e-5)
        assert torch.allclose(parts[:, 0], parts[:, 1] + parts[:, 2], atol=1e-6)
        assert bool((parts >= 0).all())
        assert float(parts.max()) <= 1 + 1e-5
        assert torch.allclose(parts[:, 0], entropy(chances, axis=1), atol=1e-5)
        assert float(parts[:, 2].mean()) > 0.05  # heads drawn at random disagree


def test_repeated_questions_get_the_same_answer() -> None:
    system = shape_aware(noise=True)
    answer = {"mask_logits": torch.ones(2, 1, 1, 28, 28), "log_sigma": torch.ones(2, 1, 1, 28, 28)}
    first, second = (system.told([answer])[0] for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(first[0], first[1])
    quiet = system.told([{**answer, "log_sigma": torch.full((2, 1, 1, 28, 28), -9.0)}])[0]
    assert float(quiet[0, 1].mean()) == pytest.approx(1 / (1 + np.exp(-1)), abs=1e-4)


def test_networks_are_built_as_asked() -> None:
    assert imperfect(learn="merging").network().learns_merging  # type: ignore[union-attr]
    heads = imperfect().network()
    assert not any(p.requires_grad for n, p in heads.named_parameters() if n.startswith("merger"))
    assert shape_aware(channels=3).network().backbone.body.conv1.in_channels == 3  # type: ignore[union-attr]


def weights_of(system: RegionSystem, path: Path) -> str:
    torch.manual_seed(0)
    write_tensors(path, system.network().state_dict(), card(system.name, system.settings.plain()))
    return str(path)


def test_weights_of_another_class_count_are_told_so(tmp_path: Path) -> None:
    path = weights_of(imperfect(heads=1, merge=False), tmp_path / "three.safetensors")
    system, found = open_system(SystemSettings(name="imperfect", weights=path))
    assert system.settings.classes == 3
    with pytest.raises(SettingsError, match="trained with another 'classes'"):
        open_system(SystemSettings(name="imperfect", weights=path, settings={"classes": 1}))
    with pytest.raises(WeightsError, match="shape-aware"):
        open_system(SystemSettings(name="shape-aware", weights=path))
    one = weights_of(imperfect(classes=1, heads=1, merge=False), tmp_path / "one.safetensors")
    with pytest.raises(WeightsError, match="in 'classes'"):
        open_members(system, found, PredictSettings(members=(one,)))


def test_heads_are_trained_first_and_merged_after(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    truth = labels()[:1]
    image = ((truth > 0) * 100 + rng.normal(0, 5, truth.shape)).astype(np.float32)[:, None]
    stills = [Still("drawn", image, truth, "train")]
    crops = SamplerSettings(crop_px=64, batch=2, max_zoom=1.0, native=0.0, empty=0.0)
    how = TrainSettings(steps=2, warmup=1, check_every=2, save_every=2, workers=0, device="cpu", average=0.0)
    place = tmp_path / "heads"
    first = imperfect()
    Training(first, how, place, metadata=card(first.name, first.settings.plain())).run(
        CropSampler(stills, first, crops, 0, 2), lambda network: {"AP": 1.0}, "AP"
    )
    state, _ = read_tensors(place / "best.safetensors")
    second = imperfect(learn="merging")
    merging = Training(second, how, tmp_path / "merged", state)
    merging.run(CropSampler(stills, second, crops, 0, 2), lambda network: {"AP": 1.0}, "AP")
    after, _ = read_tensors(tmp_path / "merged" / "best.safetensors")
    changed = {name.split(".")[0] for name in state if not torch.equal(state[name], after[name])}
    assert changed == {"merger"}


def test_weights_of_coco_are_asked_for_by_trainings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    system = shape_aware(start="coco")
    network = system.network()  # as a run does: nothing is fetched
    assert network.keeps_norm
    assert not shape_aware().begin(shape_aware().network())
    with pytest.raises(WeightsError, match="full ResNet50-FPN"):
        system.begin(network)
    given = {"backbone.body.layer1.0.conv1.weight": torch.full((64, 64, 3, 3), 0.5)}
    monkeypatch.setattr("unfade.models.maskrcnn_start.coco_state", lambda network: given)
    settings = TrainingSettings.parse({"system": "shape-aware", "settings": {**TINY, "start": "coco"}})
    _, start = open_training(settings)
    assert start is not None
    assert torch.equal(start["backbone.body.layer1.0.conv1.weight"], given["backbone.body.layer1.0.conv1.weight"])
    assert open_training(settings.changed(settings={**TINY}))[1] is None


def test_a_training_tells_how_many_objects_are_too_small_to_learn_from() -> None:
    truth = labels() % NUCLEUS
    truth[1, 60, 60], truth[1, 2, 2:4] = 7, 8
    still = Still("specks", np.zeros((2, 1, 64, 64), np.float32), truth, "train")
    assert counted(shape_aware(least_px=2), [still]) == {"frames": 2, "objects": 5, "too small": 1}
    assert counted(shape_aware(least_px=4), [still]) == {"frames": 2, "objects": 5, "too small": 2}
    assert counted(shape_aware(least_px=1), [still]) == {"frames": 2, "objects": 5}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"loss": "focal", "noise": True}, "focal loss is for one class without a noise scale"),
        ({"loss": "focal", "classes": 3}, "focal loss is for one class"),
        ({"loss": "shape-aware", "classes": 3}, "shape-aware loss is for one class"),
    ],
)
def test_losses_that_would_not_be_used_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        ShapeAwareSettings.parse({**TINY, "classes": 1, **settings})


@pytest.mark.parametrize("kind", ["cell", "nucleus"])
def test_one_class_learns_the_outlines_of_its_kind(kind: str) -> None:
    cells = np.zeros((1, 64, 64), np.int32)
    cells[0, 10:50, 10:50] = 1
    nuclei = np.zeros_like(cells)
    nuclei[0, 20:30, 20:30] = 1
    marked = compartments(cells, nuclei)
    system = shape_aware(kind=kind)
    image = np.zeros((1, 1, 64, 64), np.float32)
    alone = system.encode(cells if kind == "cell" else nuclei, image)
    for name, values in system.encode(marked, image).items():
        assert np.array_equal(values, alone[name])


@pytest.mark.parametrize("merge", [False, True])
def test_heads_of_one_network_are_its_members_merged_or_not(merge: bool) -> None:
    network = imperfect(merge=merge).network()
    assert Hypotheses(EstimatorSettings()).members(network) == [network]
    with pytest.raises(SettingsError, match="one head"):
        Hypotheses(EstimatorSettings()).members(shape_aware().network())


def test_an_object_that_fills_the_crop_is_learnt_from() -> None:
    """There is no background, and no outline is near: the weights must not vanish."""
    system = ShapeAware(ShapeAwareSettings.parse(TINY))
    truth = np.full((1, 64, 64), 5, np.int32)
    targets = {k: torch.from_numpy(v)[:, None] for k, v in system.encode(truth, truth).items()}
    region = torch.tensor([[0.0, 0, 64, 64]])
    outputs = {name: torch.zeros(()) for name in ("rpn", "rpn_box", "class", "box")}
    outputs |= {"region": region, "which": torch.zeros(1), "id": torch.tensor([5.0])}
    wrong = system.loss({**outputs, "mask_logits": torch.full((1, 1, 1, 28, 28), -9.0)}, targets)["mask"]
    right = system.loss({**outputs, "mask_logits": torch.full((1, 1, 1, 28, 28), 9.0)}, targets)["mask"]
    assert float(wrong) == pytest.approx(9.0, abs=0.01)
    assert float(right) < 0.01
    unet = ShapeAwareUNet(ShapeAwareUNetSettings())
    maps = {k: torch.from_numpy(v)[None] for k, v in unet.encode(truth, truth).items()}
    assert float(unet.loss({"maps": torch.full((1, 1, 1, 64, 64), -9.0)}, maps)["shape-aware"]) > 8


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"heads": 1, "merge": True}, "neither merged nor evolving"),
        ({"heads": 1, "evolving": True}, "neither merged nor evolving"),
        ({"heads": 4, "learn": "merging"}, "no merging network"),
    ],
)
def test_heads_that_cannot_be_are_refused(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(SettingsError, match=reason):
        ShapeAwareSettings.parse({**TINY, **settings})


def test_a_training_does_not_start_from_another_number_of_classes(tmp_path: Path) -> None:
    one = Imperfect(ImperfectSettings.parse({**TINY, "classes": 1, "heads": 4, "merge": True, "learn": "merging"}))
    path = tmp_path / "one.safetensors"
    write_tensors(path, one.network().state_dict(), card(one.name, one.settings.plain()))
    begun = TrainingSettings.parse({"system": "imperfect", "weights": str(path)})
    with pytest.raises(SettingsError, match="trained with another 'classes'; leave it out"):
        open_training(begun.changed(settings={"classes": 3}))
    system, _ = open_training(begun)
    assert system.settings.learn == "heads"  # what weights learnt last is not what is learnt next
    with pytest.raises(SettingsError, match="give the weights of trained heads"):
        open_training(TrainingSettings.parse({"system": "imperfect", "settings": {"learn": "merging"}}))


def test_the_noise_starts_quiet() -> None:
    torch.manual_seed(0)
    head = MaskHead(16, classes=3, heads=2, noise=True, width=16)
    _, log_sigma = head(torch.randn(3, 16, 14, 14))
    assert log_sigma is not None
    assert torch.allclose(log_sigma, torch.full_like(log_sigma, -2.0))
