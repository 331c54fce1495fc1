"""Units over processes: in order, with errors told, and done again where a worker dies."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from unfade.errors import MissingInputError, SettingsError, UnfadeError
from unfade.scale import cluster as scale
from unfade.scale.cluster import Cluster, cluster, device_here, slurm_options
from unfade.scale.pool import Here
from unfade.settings import write_toml


def square(n: int) -> tuple[int, int]:
    time.sleep(0.01 * (5 - n % 5))
    return n * n, os.getpid()


def refuse(n: int) -> int:
    if n == 3:
        raise MissingInputError("There is no unit 3.")
    return n


def dies_once(mark: str) -> str:
    path = Path(mark)
    if not path.exists():
        path.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return "done"


def dies(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def threads(_: int) -> int:
    return int(os.environ["OMP_NUM_THREADS"])


def test_here_units_are_done_one_after_the_other() -> None:
    assert [n for n, _ in Here().map(square, [2, 3])] == [4, 9]


@pytest.fixture(scope="module")
def pool() -> Iterator[Cluster]:
    with cluster("local:2") as made:
        yield made


def test_results_come_in_order_from_several_processes(pool: Cluster) -> None:
    assert pool.workers == 2
    found = list(pool.map(square, range(30)))
    assert [n for n, _ in found] == [n * n for n in range(30)]
    assert len({pid for _, pid in found}) == 2
    assert os.getpid() not in {pid for _, pid in found}


def test_the_first_error_is_raised_as_it_is(pool: Cluster) -> None:
    found = pool.map(refuse, range(50))
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(MissingInputError, match=r"There is no unit 3\."):
        next(found)
    assert list(pool.map(refuse, [7])) == [7]


def test_a_unit_whose_worker_dies_is_done_by_another(pool: Cluster, tmp_path: Path) -> None:
    assert list(pool.map(dies_once, [str(tmp_path / "a"), str(tmp_path / "b")])) == ["done", "done"]


def test_workers_share_the_cores(pool: Cluster) -> None:
    share = int(os.environ.get("OMP_NUM_THREADS", 0)) or max(1, scale.cores() // 2)
    assert set(pool.map(threads, range(4))) == {share}


def test_a_unit_that_kills_every_worker_ends_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scale, "RETRIES", 0)
    with cluster("local:1") as made, pytest.raises(UnfadeError, match="A unit of work ended 1 workers"):
        list(made.map(dies, [1]))


@pytest.mark.parametrize("where", ["local:0", "local", "local:x", "cloud", "http://a:1"])
def test_other_places_are_refused(where: str) -> None:
    with pytest.raises(SettingsError, match="--dask takes local:N"), cluster(where):
        pass


def test_slurm_needs_a_file_of_known_settings(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="--dask slurm needs --dask-config"), cluster("slurm"):
        pass
    path = tmp_path / "c.toml"
    good = {"cores": 4, "memory": "8GB", "jobs": 3, "queue": "gpu", "walltime": "01:00:00"}
    for values, says in (
        ({"jobs": good}, "one table"),
        ({"slurm": {**good, "job_cls": "os.system"}}, "holds 'job_cls', which is not known"),
        ({"slurm": {"cores": 1}}, "must say 'cores', 'memory' and a number of 'jobs'"),
        ({"slurm": {**good, "jobs": "3"}}, "a number of 'jobs'"),
    ):
        with pytest.raises(SettingsError, match=says):
            slurm_options(values, path)
    write_toml(path, {"slurm": good})
    asked = {}

    class Jobs:
        def __init__(self, **options: object) -> None:
            asked.update(options)

        def scale(self, jobs: int) -> None:
            asked["jobs"] = jobs

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("dask_jobqueue.SLURMCluster", Jobs)
        scale._slurm(path)
    assert asked == good


def test_workers_share_the_gpus_of_a_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    class Worker:
        name = "SLURMCluster-5"

    assert device_here("auto") == "auto"
    monkeypatch.setattr("distributed.get_worker", Worker)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    assert [device_here(n) for n in ("auto", "cuda", "cuda:3", "cpu")] == ["cuda:1", "cuda:1", "cuda:3", "cpu"]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    assert device_here("auto") == "auto"
