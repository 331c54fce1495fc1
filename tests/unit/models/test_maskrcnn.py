from __future__ import annotations

import re

import pytest
import torch
from torchvision.models.detection import MaskRCNN_ResNet50_FPN_Weights, maskrcnn_resnet50_fpn

from unfade.errors import SettingsError, WeightsError
from unfade.models.maskheads import MaskHead, MergingNetwork
from unfade.models.maskrcnn import Build, MaskRCNN
from unfade.models.maskrcnn_start import coco_state, load_start, take
from unfade.ops.turns import TURNS, turned
from unfade.predict.estimators import Dropout, EstimatorSettings

SMALL = Build(
    backbone="resnet18", levels=2, width=16, box_width=32, anchors_px=(8, 16, 32), proposals=50, regions=32, most=20
)


def network(**changes: object) -> MaskRCNN:
    torch.manual_seed(0)
    return MaskRCNN(Build(**{**vars(SMALL), **changes}))  # type: ignore[arg-type]


def labels() -> torch.Tensor:
    out = torch.zeros(2, 64, 64, dtype=torch.int32)
    out[0, 4:20, 6:24], out[0, 30:50, 28:50], out[0, 0, 63] = 3, 9, 12
    return out


def image(batch: int = 2) -> torch.Tensor:
    return torch.randn(batch, 1, 64, 64, generator=torch.Generator().manual_seed(1)) + labels()[:batch, None].sign()


def test_regions_of_the_truth_are_learnt_from() -> None:
    out = network().train()(image(), labels())
    found = len(out["id"])
    assert set(out["id"].tolist()) == {3, 9}  # one pixel is no object
    assert out["which"].tolist() == [0] * found  # the second image is empty
    assert out["mask_logits"].shape == (found, 1, 1, 28, 28)
    assert out["region"].shape == (found, 4)
    assert all(bool(torch.isfinite(out[name])) for name in ("rpn", "rpn_box", "class", "box"))


def test_a_batch_without_any_object_can_be_learnt_from() -> None:
    out = network(noise=True, heads=2, merge=True).train()(image(), torch.zeros_like(labels()))
    assert out["mask_logits"].shape == (0, 2, 1, 28, 28)
    total = sum(out[name] for name in ("rpn", "class"))
    assert isinstance(total, torch.Tensor)
    total.backward()  # type: ignore[no-untyped-call]


def test_the_merging_network_learns_from_a_batch_without_any_object() -> None:
    net = network(noise=True, heads=2, merge=True)
    net.learn_merging()
    out = net.train()(image(), torch.zeros_like(labels()))
    assert out["merged_logits"].shape == (0, 1, 1, 28, 28)
    out["merged_logits"].sum().backward()
    assert net.merger is not None
    assert all(p.grad is not None and not p.grad.any() for p in net.merger.parameters())


@pytest.mark.parametrize(("channels", "classes", "heads"), [(1, 1, 1), (3, 3, 4)])
def test_answers_have_their_shapes(channels: int, classes: int, heads: int) -> None:
    net = network(channels=channels, classes=classes, heads=heads, noise=True, merge=heads > 1, mask_px=56).eval()
    with torch.inference_mode():
        sight = net.look(image(1).expand(-1, channels, -1, -1))
        out = net.masks(sight, torch.tensor([[4.0, 4, 20, 30], [0, 0, 64, 64], [3, 3, 9, 9]]))
    assert out["mask_logits"].shape == (3, heads, classes, 56, 56)
    assert out["log_sigma"].shape == (3, heads, 1, 56, 56)
    assert (heads > 1) == ("merged_logits" in out)
    if heads > 1:
        assert out["merged_logits"].shape == (3, 1, classes, 56, 56)
        assert torch.allclose(out["merged_logits"][:, 0], out["mask_logits"].mean(1), atol=1e-5)  # at the start


@pytest.mark.parametrize("turn", [TURNS[1], TURNS[2], TURNS[6]])
def test_a_turned_network_answers_for_the_image_as_it_is(turn: tuple[bool, bool, bool]) -> None:
    net = network(least_score=0.01).eval()
    frame = image(1)[..., :48]
    with torch.inference_mode():
        member = net.turned(turn)
        sight = member.look(frame)
        boxes, scores = member.detect(sight)
        plain = net.look(turned(frame, turn))
        inner, again = net.detect(plain)
        assert torch.equal(scores, again)
        assert len(boxes) > 0
        assert float(boxes[:, 2].max()) <= 48
        assert float(boxes[:, 3].max()) <= 64
        mine = member.masks(sight, boxes)["mask_logits"]
        theirs = net.masks(plain, inner)["mask_logits"]
    assert torch.allclose(turned(mine, turn), theirs, atol=1e-4)


def test_only_the_merging_network_learns_after_the_heads() -> None:
    net = network(heads=2, noise=True, merge=True)
    net.learn_heads()
    assert not any(p.requires_grad for n, p in net.named_parameters() if n.startswith("merger"))
    net.learn_merging()
    learning = {n.split(".")[0] for n, p in net.named_parameters() if p.requires_grad}
    assert learning == {"merger"}
    before = {n: b.clone() for n, b in net.named_buffers()}
    out = net.train()(image(), labels())
    assert out["merged_logits"].requires_grad
    assert not out["mask_logits"].requires_grad
    assert all(torch.equal(before[n], b) for n, b in net.named_buffers())


def test_dropout_is_in_the_mask_branch() -> None:
    head = MaskHead(16, 1, dropout=0.5, width=16).train()
    x = torch.ones(2, 16, 14, 14)
    assert not torch.equal(head(x)[0], head(x)[0])
    head.eval()
    assert torch.equal(head(x)[0], head(x)[0])


def test_noise_is_limited() -> None:
    head = MaskHead(4, 1, noise=True, width=8)
    with torch.inference_mode():
        _, log_sigma = head(torch.full((1, 4, 14, 14), 1e6))
    assert log_sigma is not None
    assert float(log_sigma.max()) <= 3
    assert float(log_sigma.min()) >= -6
    merged, none = MergingNetwork(3, 2, noise=False)(torch.zeros(1, 2, 3, 28, 28), None)
    assert merged.shape == (1, 1, 3, 28, 28)
    assert none is None


def test_anchors_must_fit_the_levels() -> None:
    with pytest.raises(SettingsError, match="needs 3 sizes of anchors"):
        network(anchors_px=(8, 16))


def test_weights_of_another_build_are_refused() -> None:
    with pytest.raises(WeightsError, match="full ResNet50-FPN"):
        coco_state(network())


def test_trained_parts_are_taken_and_class_parts_are_not() -> None:
    donor, net = network(), network()
    torch.manual_seed(9)
    for p in donor.parameters():
        p.data.normal_()
    colour = {n: t for n, t in donor.state_dict().items() if not n.startswith("mask_head.predictors")}
    colour["backbone.body.conv1.weight"] = torch.randn(64, 3, 7, 7)
    colour["roi_heads.box_predictor.cls_score.weight"] = torch.randn(91, 32)
    take(net, colour)
    own = net.state_dict()
    assert torch.equal(own["backbone.body.layer1.0.conv1.weight"], colour["backbone.body.layer1.0.conv1.weight"])
    assert torch.allclose(own["backbone.body.conv1.weight"], colour["backbone.body.conv1.weight"].sum(1, keepdim=True))
    assert own["roi_heads.box_predictor.cls_score.weight"].shape == (2, 32)
    assert not own["roi_heads.box_predictor.cls_score.bias"].any()


def test_all_but_the_predictors_comes_from_coco_whatever_older_files_call_it(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(1)
    whole = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None).state_dict()
    older = {re.sub(r"(inner_blocks|layer_blocks)\.(\d)\.0\.", r"\1.\2.", name): t for name, t in whole.items()}
    older = {name.replace("rpn.head.conv.0.0.", "rpn.head.conv."): t for name, t in older.items()}
    older = {re.sub(r"roi_heads.mask_head.(\d).0.", lambda m: f"roi_heads.mask_head.mask_fcn{int(m[1]) + 1}.", n): t
             for n, t in older.items()}  # fmt: skip
    assert len(older.keys() & whole.keys()) < len(whole)
    monkeypatch.setattr(MaskRCNN_ResNet50_FPN_Weights, "get_state_dict", lambda *_, **__: older)
    net = MaskRCNN(Build(channels=3))
    load_start(net, "coco")
    own = net.state_dict()
    assert torch.equal(own["backbone.fpn.layer_blocks.3.0.weight"], whole["backbone.fpn.layer_blocks.3.0.weight"])
    assert torch.equal(own["rpn.head.conv.0.0.weight"], whole["rpn.head.conv.0.0.weight"])
    assert torch.equal(own["mask_head.trunk.2.0.weight"], whole["roi_heads.mask_head.2.0.weight"])
    equal = {name for name, t in own.items() if any(t.shape == w.shape and torch.equal(t, w) for w in whole.values())}
    told = ("num_batches_tracked", "body.conv1.weight")  # counts nothing; the mean of the colours
    anew = {name for name in own.keys() - equal if not name.endswith(told)}
    assert {".".join(name.split(".")[:2]) for name in anew} == {"mask_head.predictors", "roi_heads.box_predictor"}


def test_a_network_of_three_channels_takes_grey_frames() -> None:
    net = network(channels=3, least_score=0.01).eval()
    with torch.inference_mode():
        grey, colour = net.look(image(1)), net.look(image(1).expand(-1, 3, -1, -1))
    assert torch.equal(grey.features["0"], colour.features["0"])
    assert "mean" not in net.state_dict()
    plain = network().eval()
    assert torch.equal(plain.mean, torch.zeros(1, 1, 1, 1))


def test_means_of_weights_trained_elsewhere_stay() -> None:
    net = network()
    net.keeps_norm = True
    before = {n: b.clone() for n, b in net.backbone.named_buffers()}
    net.train()(image(), labels())
    assert all(torch.equal(before[n], b) for n, b in net.backbone.named_buffers())
    net.keeps_norm = False
    net.train()(image(), labels())
    assert not all(torch.equal(before[n], b) for n, b in net.backbone.named_buffers())


def test_dropout_members_find_the_same_boxes_and_other_masks() -> None:
    net = network(dropout=0.5, least_score=0.01).eval()
    first, second = Dropout(EstimatorSettings(members=2)).members(net)
    box = torch.tensor([[4.0, 4, 20, 30]])
    with torch.inference_mode():
        sight = first.look(image(1))
        assert torch.equal(first.detect(sight)[0], second.detect(sight)[0])
        one, again, other = (m.masks(sight, box)["mask_logits"] for m in (first, first, second))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)
    with pytest.raises(SettingsError, match="no dropout layer"):
        Dropout(EstimatorSettings()).members(network())
