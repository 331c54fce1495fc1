from __future__ import annotations

import itertools

import pytest

from unfade.train.schedule import RateSettings, ends_cycle, rate_at


def course(settings: RateSettings, steps: int) -> list[float]:
    return [rate_at(settings, step, step / settings.steps) for step in range(steps)]


def test_sgdr_restarts_at_the_end_of_every_cycle() -> None:
    settings = RateSettings(steps=40, rate=0.2, schedule="restarts", cycle=10, warmup=0)
    rates = course(settings, 40)
    assert [rates[k] for k in (0, 10, 20, 30)] == pytest.approx([0.2] * 4)
    assert rates[5] == pytest.approx(0.1)
    assert rates[9] == pytest.approx(0.2 * 0.5 * (1 + -0.9510565), rel=1e-5)
    assert all(a > b for k, (a, b) in enumerate(itertools.pairwise(rates)) if (k + 1) % 10)
    assert [n for n in range(1, 41) if ends_cycle(settings, n)] == [10, 20, 30, 40]
    assert not ends_cycle(settings.changed(schedule="cosine"), 10)


def test_the_rate_drops_in_steps() -> None:
    rates = course(RateSettings(steps=9, rate=5e-4, schedule="steps", cycle=3, warmup=0), 9)
    assert rates == pytest.approx([5e-4] * 3 + [5e-5] * 3 + [5e-6] * 3)


def test_the_rate_warms_up_under_every_schedule() -> None:
    for schedule in ("cosine", "constant", "steps", "restarts"):
        settings = RateSettings.parse({"steps": 1000, "schedule": schedule, "warmup": 4, "cycle": 500})
        assert course(settings, 3) == pytest.approx([2.5e-4, 5e-4, 7.5e-4], rel=1e-3)


def test_the_cosine_ends_near_nothing_and_constant_stays() -> None:
    cosine = RateSettings(steps=100, rate=1.0, warmup=0)
    assert rate_at(cosine, 50, 0.5) == pytest.approx(0.5)
    assert rate_at(cosine, 99, 1.0) == pytest.approx(0.01)
    assert rate_at(cosine.changed(schedule="constant"), 99, 1.0) == 1.0
