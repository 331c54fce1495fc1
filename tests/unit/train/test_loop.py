from __future__ import annotations

import csv
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from unfade.datasets.stills import Still
from unfade.errors import WeightsError
from unfade.ops.tensorfile import read_tensors
from unfade.systems.nuclei_unet import NucleiUNet, NucleiUNetSettings
from unfade.train.checkpoint import load_progress, save_progress
from unfade.train.loop import Training, TrainSettings
from unfade.train.sampler import CropSampler, SamplerSettings

QUICK = TrainSettings(steps=6, warmup=2, check_every=3, save_every=2, workers=0, device="cpu", precision="float32")


def still(seed: int = 0) -> Still:
    rng = np.random.default_rng(seed)
    labels = np.zeros((64, 64), np.int32)
    labels[10:26, 12:28], labels[36:52, 30:48] = 1, 2
    image = (labels > 0) * 100 + rng.normal(0, 5, labels.shape)
    return Still("drawn", image[None, None].astype(np.float32), labels[None], "train")


def system() -> NucleiUNet:
    return NucleiUNet(NucleiUNetSettings(width=8, levels=2))


def batches(steps: int = 6) -> CropSampler:
    return CropSampler([still()], system(), SamplerSettings(crop_px=32, batch=2), seed=3, steps=steps)


def by_foreground(network: torch.nn.Module) -> dict[str, float]:
    with torch.no_grad():
        return {"score": float(network(torch.zeros(1, 1, 32, 32))[:, 0].mean())}


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "curves.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_batch_is_a_function_of_seed_and_step() -> None:
    first, again, other = batches()[4], batches()[4], batches()[5]
    assert torch.equal(first["inputs"]["image"], again["inputs"]["image"])
    assert not torch.equal(first["inputs"]["image"], other["inputs"]["image"])
    assert first["inputs"]["image"].shape == (2, 1, 1, 32, 32)
    assert first["targets"]["maps"].shape == (2, 1, 5, 32, 32)


def test_a_training_that_was_stopped_ends_with_the_same_weights(tmp_path: Path) -> None:
    whole = Training(system(), QUICK, tmp_path / "whole")
    whole.run(batches(), by_foreground, "score")
    part = Training(system(), QUICK.changed(steps=6, schedule="cosine"), tmp_path / "part")
    seen: list[int] = []

    def stop(network: torch.nn.Module) -> dict[str, float]:
        seen.append(1)
        if len(seen) == 1:
            raise KeyboardInterrupt
        return by_foreground(network)

    with pytest.raises(KeyboardInterrupt):
        part.run(batches(), stop, "score")
    resumed = Training(system(), QUICK, tmp_path / "part")
    assert resumed.step == 2  # the last checkpoint before the stop at step 3
    resumed.run(batches(), by_foreground, "score")
    for a, b in zip(whole.network.state_dict().values(), resumed.network.state_dict().values(), strict=True):
        assert torch.equal(a, b)
    assert (tmp_path / "part" / "curves.csv").read_text().count("\n") == 3


def test_training_lowers_the_loss(tmp_path: Path) -> None:
    training = Training(system(), QUICK.changed(steps=60, rate=0.01, check_every=60, save_every=60), tmp_path)
    losses: list[float] = []
    one = training._one

    def spy(batch: dict[str, dict[str, torch.Tensor]]) -> dict[str, float]:
        terms = one(batch)
        losses.append(terms["loss"])
        return terms

    training._one = spy  # type: ignore[method-assign]
    training.run(batches(60), by_foreground, "score")
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:5])


def test_best_weights_know_their_system(tmp_path: Path) -> None:
    Training(system(), QUICK, tmp_path, metadata={"unfade": "card"}).run(batches(), by_foreground, "score")
    state, metadata = read_tensors(tmp_path / "best.safetensors")
    assert metadata["unfade"] == "card"
    scores = [float(row["score"]) for row in rows(tmp_path)]
    assert metadata["step"] == ("6" if scores[1] > scores[0] else "3")
    assert set(state) == set(system().network().state_dict())


def test_a_damaged_checkpoint_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "last.pt").write_bytes(b"nonsense")
    with pytest.raises(WeightsError, match="delete it"):
        load_progress(tmp_path / "last.pt")


def test_training_stops_when_validation_gets_no_better(tmp_path: Path) -> None:
    scores = iter([0.5, 0.7, 0.6, 0.65, 0.9])
    settings = QUICK.changed(steps=10, check_every=1, patience=2)
    training = Training(system(), settings, tmp_path)
    found = training.run(batches(10), lambda network: {"score": next(scores)}, "score")
    assert training.step == 4
    assert training.best == 0.7
    assert found == {"score": 0.7}  # of the weights that were kept
    again = Training(system(), settings, tmp_path)
    assert again.run(batches(10), lambda network: {"score": 1.0}, "score") == {"score": 0.7}
    assert again.step == 4  # a training that has stopped stays so


def test_where_nothing_can_be_compared_the_latest_weights_are_kept(tmp_path: Path) -> None:
    settings = QUICK.changed(steps=8, check_every=2, patience=1)
    tries: list[int] = []

    def uncompared(network: torch.nn.Module) -> dict[str, float]:
        tries.append(1)
        if len(tries) == 4:
            raise KeyboardInterrupt
        return {"score": math.nan}

    training = Training(system(), settings, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        training.run(batches(8), uncompared, "score")
    assert read_tensors(tmp_path / "best.safetensors")[1] == {"step": "6"}
    resumed = Training(system(), settings, tmp_path)
    assert resumed.step == 6
    assert math.isnan(resumed.run(batches(8), uncompared, "score")["score"])
    assert (resumed.waited, resumed.best) == (0, -math.inf)  # no check counts against patience
    state, metadata = read_tensors(tmp_path / "best.safetensors")
    assert metadata == {"step": "8"}
    assert all(torch.equal(state[name], value) for name, value in resumed.average.state_dict().items())
    assert [(row["step"], row["score"]) for row in rows(tmp_path)] == [(str(n), "nan") for n in (2, 4, 6, 8)]
    again = Training(system(), settings, tmp_path)
    assert math.isnan(again.run(batches(8), uncompared, "score")["score"])


def test_a_score_comes_before_none_and_stays(tmp_path: Path) -> None:
    scores = iter([math.nan, 0.0, math.nan, math.nan, -0.5, math.nan, -0.6, 9.0])
    training = Training(system(), QUICK.changed(steps=8, check_every=1, patience=2), tmp_path)
    assert training.run(batches(8), lambda network: {"score": next(scores)}, "score") == {"score": 0.0}
    assert training.step == 7
    assert read_tensors(tmp_path / "best.safetensors")[1] == {"step": "2"}


def test_checkpoints_from_before_scores_were_kept_are_gone_on_with(tmp_path: Path) -> None:
    Training(system(), QUICK, tmp_path).run(batches(), by_foreground, "score")
    found = load_progress(tmp_path / "last.pt")
    del found["scores"], found["waited"]
    (tmp_path / "zero").mkdir()
    save_progress(tmp_path / "zero" / "last.pt", {**found, "best": 0.0})
    save_progress(tmp_path / "last.pt", found)
    again = Training(system(), QUICK.changed(steps=9), tmp_path)
    assert again.run(batches(9), lambda network: {"score": -9.0}, "score") == {"score": -9.0}
    assert (again.step, again.best) == (9, found["best"])
    zero = Training(system(), QUICK.changed(steps=12), tmp_path / "zero")  # once, nothing to compare gave 0
    zero.run(batches(12), lambda network: {"score": math.nan}, "score")
    assert read_tensors(tmp_path / "zero" / "best.safetensors")[1] == {"step": "12"}


def test_a_compiled_training_learns_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str | None] = []

    def traced(network: torch.nn.Module, mode: str | None) -> torch.nn.Module:
        calls.append(mode)
        return compile_module(network, backend="eager")  # type: ignore[no-any-return]

    compile_module = torch.compile
    monkeypatch.setattr(torch, "compile", traced)
    plain = Training(system(), QUICK, tmp_path / "plain")
    plain.run(batches(), by_foreground, "score")
    assert calls == []
    for how in ("kernels", "graphs"):
        training = Training(system(), QUICK.changed(compiled=how), tmp_path / how)
        training.run(batches(), by_foreground, "score")
        learnt, _ = read_tensors(tmp_path / how / "best.safetensors")
        expected, _ = read_tensors(tmp_path / "plain" / "best.safetensors")
        assert learnt.keys() == expected.keys()
        assert all(torch.allclose(learnt[name], expected[name], atol=1e-6) for name in expected)
    assert calls == [None, "reduce-overhead"]


def test_snapshots_are_kept_before_every_restart(tmp_path: Path) -> None:
    settings = QUICK.changed(steps=6, schedule="restarts", cycle=2, snapshots=2, check_every=6)
    training = Training(system(), settings, tmp_path)
    training.run(batches(), by_foreground, "score")
    assert sorted(p.name for p in tmp_path.glob("snapshot-*")) == ["snapshot-2.safetensors", "snapshot-3.safetensors"]
    last, metadata = read_tensors(tmp_path / "snapshot-3.safetensors")
    assert metadata == {"step": "6"}
    assert all(torch.equal(last[k], v) for k, v in training.network.state_dict().items())


def test_sgd_is_there_for_restarts(tmp_path: Path) -> None:
    training = Training(system(), QUICK.changed(optimiser="sgd"), tmp_path)
    training.run(batches(), by_foreground, "score")
    assert isinstance(training.optimiser, torch.optim.SGD)
    assert training.step == 6


def test_what_a_step_draws_is_drawn_again_after_a_stop(tmp_path: Path) -> None:
    drawn: list[float] = []

    class Dicing(NucleiUNet):
        def loss(self, outputs: dict[str, torch.Tensor], targets: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
            drawn.append(float(torch.rand(1)))
            assert 0 <= float(targets["progress"]) < 1
            return super().loss(outputs, targets)

    for place in ("a", "b"):
        torch.manual_seed(len(drawn))
        Training(Dicing(system().settings), QUICK, tmp_path / place).run(batches(), by_foreground, "score")
    assert drawn[:6] == drawn[6:]
    assert len(set(drawn)) == 6


def test_crops_are_bent_or_only_flipped() -> None:
    drawn = still()
    plain = SamplerSettings(crop_px=64, batch=8, max_zoom=1.0, native=0.0, empty=0.0, intensity=False)
    flips = plain.changed(turns=False, stretch=0.0)
    seen = CropSampler([drawn], system(), flips, 3, 4)[0]["inputs"]["image"][:, 0, 0]
    one = next(image for image in seen)
    kinds = [torch.allclose(image, one, atol=1e-5) or torch.allclose(image, one.flip(1), atol=1e-5) for image in seen]
    assert all(kinds)
    assert any(not torch.allclose(image, one, atol=1e-5) for image in seen)
    bent = CropSampler([drawn], system(), flips.changed(elastic_px=4.0), 3, 4)[0]["inputs"]["image"][:, 0, 0]
    assert not any(
        torch.allclose(image, one, atol=0.05) or torch.allclose(image, one.flip(1), atol=0.05) for image in bent
    )
