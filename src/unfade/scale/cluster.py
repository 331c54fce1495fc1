"""Workers of dask.distributed: processes on this machine, a running scheduler, or jobs of Slurm."""

from __future__ import annotations

import os
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from unfade.errors import MissingExtraError, SettingsError, UnfadeError
from unfade.settings import read_toml

Unit = TypeVar("Unit")
Result = TypeVar("Result")

AHEAD = 4  # units that wait beside each worker, so that none runs dry
RETRIES = 3  # times a unit is given to another worker after one died
PATIENCE_S = 120.0  # until the first worker must be there
SLURM = frozenset(
    ("queue", "account", "cores", "processes", "memory", "walltime", "jobs", "interface", "local_directory",
     "log_directory", "job_extra_directives", "job_script_prologue", "worker_extra_args")
)  # fmt: skip


class Cluster:
    """A pool on the workers of a dask client."""

    def __init__(self, client: Any) -> None:
        self.client = client
        self.workers = max(1, len(client.scheduler_info(n_workers=-1)["workers"]))

    def map(self, function: Callable[[Unit], Result], units: Sequence[Unit]) -> Iterator[Result]:
        """Results of the function for every unit, in order.

        Raises
        ------
        UnfadeError
            What a unit raised; or that workers died again and again on the same unit.
        """
        from distributed import CancelledError
        from distributed.comm import CommClosedError
        from distributed.scheduler import KilledWorker

        waiting, running = deque(units), deque[Any]()
        try:
            while waiting or running:
                while waiting and len(running) < AHEAD * self.workers:
                    running.append(self.client.submit(function, waiting.popleft(), pure=False, retries=0))
                try:
                    yield running[0].result()
                except (CancelledError, CommClosedError):
                    raise UnfadeError("The scheduler or all its workers were lost; start them and run again.") from None
                except KilledWorker:
                    raise UnfadeError(
                        f"A unit of work ended {RETRIES + 1} workers in a row; give them more memory and run again."
                    ) from None
                running.popleft()
        finally:
            self.client.cancel(list(running), force=True)

    @property
    def dashboard(self) -> str:
        """Address of dask's own page."""
        return str(self.client.dashboard_link)


@contextmanager
def cluster(where: str, config: Path | None = None) -> Iterator[Cluster]:
    """The workers that `where` names: `local:N`, `tcp://host:port` of a scheduler, or `slurm` with a settings file.

    Workers of `local:N` are processes of one task each, whose libraries use this machine's cores in equal shares.

    Raises
    ------
    MissingExtraError
        If dask.distributed, or dask-jobqueue for Slurm, is not installed.
    SettingsError
        If `where` is none of these, no scheduler answers there, or the settings file does not fit.
    """
    with ExitStack() as stack:
        client = stack.enter_context(_client(where, config, stack))
        try:
            client.wait_for_workers(1, timeout=PATIENCE_S)
        except TimeoutError:
            raise SettingsError(f"No worker came to {where} within {PATIENCE_S:.0f} s; start workers there.") from None
        yield Cluster(client)


def _client(where: str, config: Path | None, stack: ExitStack) -> Any:
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError:
        raise MissingExtraError(
            "Scaling out needs dask.distributed, which is not installed; run: pip install 'unfade[scale]'."
        ) from None
    dask.config.set({"distributed.scheduler.allowed-failures": RETRIES, "distributed.admin.tick.limit": "30s"})
    local = re.fullmatch(r"local:(\d{1,3})", where)
    if local and int(local[1]) >= 1:
        count = int(local[1])
        share = os.environ.get("OMP_NUM_THREADS") or str(max(1, cores() // count))
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
        environment: dict[str, str | None] = dict.fromkeys(names, share)
        environment["MALLOC_TRIM_THRESHOLD_"] = None  # dask's 64 KiB gives memory back at every layer
        dask.config.set({f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in environment.items()})
        made = LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address=":0",
            memory_limit=0,
            silence_logs="CRITICAL",
        )
        return Client(stack.enter_context(made))
    if where == "slurm":
        return Client(stack.enter_context(_slurm(config)))
    if re.match(r"(tcp|tls|ucx|ws|wss)://", where):
        try:
            return Client(where, timeout=10)
        except (OSError, ValueError) as error:
            raise SettingsError(f"No dask scheduler answers at {where} ({error}); start one there.") from None
    raise SettingsError(f"--dask takes local:N, tcp://host:port or slurm, not '{where}'.")


def _slurm(config: Path | None) -> Any:
    """A cluster whose workers are Slurm jobs, asked for as the settings file says."""
    if config is None:
        raise SettingsError("--dask slurm needs --dask-config FILE with queue, cores, memory and jobs.")
    try:
        from dask_jobqueue import SLURMCluster
    except ImportError:
        raise MissingExtraError(
            "Slurm needs dask-jobqueue, which is not installed; run: pip install 'unfade[slurm]'."
        ) from None
    options = slurm_options(read_toml(config), config)
    jobs = options.pop("jobs")
    made = SLURMCluster(**options)
    made.scale(jobs=jobs)
    return made


def slurm_options(values: Mapping[str, Any], config: Path) -> dict[str, Any]:
    """Arguments of a Slurm cluster from the table `[slurm]` of a settings file.

    Raises
    ------
    SettingsError
        For a key that is not known, or one that is missing.
    """
    given = values.get("slurm")
    if not isinstance(given, Mapping) or set(values) != {"slurm"}:
        raise SettingsError(f"{config} must hold one table, [slurm].")
    unknown, missing = set(given) - SLURM, {"cores", "memory", "jobs"} - set(given)
    if unknown:
        known = ", ".join(sorted(SLURM))
        raise SettingsError(f"{config} holds '{min(unknown)}', which is not known; known are {known}.")
    if missing or type(given["jobs"]) is not int or given["jobs"] < 1:
        raise SettingsError(f"{config} must say 'cores', 'memory' and a number of 'jobs'.")
    return dict(given)


def cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def device_here(asked: str) -> str:
    """The device for this process: workers of one machine share its GPUs evenly where `auto` or `cuda` is asked for."""
    if asked not in ("auto", "cuda"):
        return asked
    try:
        from distributed import get_worker

        name = str(get_worker().name)
    except (ImportError, ValueError):  # no worker: the main process
        return asked
    import torch

    count, digits = torch.cuda.device_count(), re.findall(r"\d+", name)
    if count < 2:
        return asked
    return f"cuda:{(int(digits[-1]) if digits else os.getpid()) % count}"
