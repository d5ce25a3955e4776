"""The Dask cluster that shards run on: one of this machine, or one that exists already."""

from __future__ import annotations

import importlib.util
import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import dask
from distributed import Client, LocalCluster, WorkerPlugin

import imgcrawl
from imgcrawl.records.errors import ImgcrawlError

if TYPE_CHECKING:
    from collections.abc import Iterator


_client: Any = Client  # they have no types
_cluster: Any = LocalCluster


class ClusterError(ImgcrawlError):
    """A cluster that cannot be used."""


class _IgnoreInterrupt(WorkerPlugin):
    """Ctrl-C at a terminal reaches the workers too, and is for the command alone."""

    def setup(self, worker: Any) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def connected(scheduler: str | None, workers: int) -> Iterator[Any]:
    """Yield a client of the cluster at `scheduler`, or of a new one of `workers` processes.

    A new one listens on 127.0.0.1 only, to nobody but this process, and is gone at the end. TLS of
    the other is configured as Dask's documentation says (DASK_DISTRIBUTED__COMM__TLS__...).
    Raise ClusterError if it does not answer, or its workers lack this project.
    """
    if scheduler is None:
        with _local(workers) as cluster, _client(cluster) as client:
            client.register_plugin(_IgnoreInterrupt())
            yield client
        return
    try:
        client = _client(scheduler, timeout=20)
    except (OSError, TimeoutError, ValueError, TypeError) as error:  # TypeError: it has no keys
        raise ClusterError(
            f"--scheduler {scheduler}: no Dask scheduler answers ({error})."
        ) from error
    with client:
        client.wait_for_workers(1, timeout=60)
        _check(client)
        yield client


def threads(client: Any) -> int:
    """Return how many tasks the cluster runs at once."""
    return max(1, sum(map(int, client.nthreads().values())))


def dashboard(client: Any) -> str | None:
    """Return the address of the cluster's dashboard; None if its scheduler lacks bokeh."""
    is_own = client.cluster is not None
    if is_own and importlib.util.find_spec("bokeh") is None:
        return None
    if "dashboard" not in client.scheduler_info().get("services", {}):
        return None
    link: str = client.dashboard_link
    return link


def _local(workers: int) -> Any:
    # That a worker is killed is no failure of its shard.
    dask.config.set({"distributed.scheduler.allowed-failures": 100})
    return _cluster(
        n_workers=workers,
        threads_per_worker=1,
        processes=True,
        host="127.0.0.1",
        # A scheduler runs what any client sends it, and other users of this machine reach
        # loopback: so there are keys for this one run, in memory alone.
        protocol="tls://",
        security=True,
        dashboard_address="127.0.0.1:0",  # figures are served there, without bokeh too
        worker_dashboard_address=None,
        memory_limit=0,  # crawls are processes of their own
        silence_logs=50,
    )


def version() -> str:
    """Return the version of this project, asked of workers."""
    return imgcrawl.__version__


def _check(client: Any) -> None:
    found = client.run(version, on_error="return")
    for worker, answer in found.items():
        if answer != imgcrawl.__version__:
            raise ClusterError(
                f"the worker {worker} has not imgcrawl {imgcrawl.__version__} ({answer}). Start "
                "workers with PYTHONPATH set to a checkout of the same version."
            )
