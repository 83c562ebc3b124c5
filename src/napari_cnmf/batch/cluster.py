"""Items on a dask.distributed cluster: the same folders, watched the same way.

The scheduler decides where an item runs; progress, log and result come through the batch folder,
which every machine must see under the same path. Needs the extra ``cluster``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_cnmf.batch.item import Item
from napari_cnmf.batch.remote import run_item
from napari_cnmf.errors import BatchError, why_no_package

if TYPE_CHECKING:
    from distributed import Client

CLUSTER_KINDS = {"slurm": "SLURMCluster", "pbs": "PBSCluster", "lsf": "LSFCluster"}
_GONE = frozenset({"connecting", "closing", "closed"})
"""States of a dask client whose scheduler does not answer."""
SCHEDULER_GONE = (
    "The dask scheduler is gone. What it had not begun stays queued: start the items again when a "
    "scheduler answers."
)
IN_FLIGHT = 1000
"""Items handed to the scheduler at once; it keeps those that have no machine yet."""


class DaskLauncher:
    """`napari_cnmf.batch.processes.Launcher` that hands items to a dask scheduler.

    Parameters
    ----------
    client
        A connected ``distributed.Client``.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    def launch(
        self, item: Item, *, n_threads: int | None = None, memory_gb: float | None = None
    ) -> DaskHandle:
        """Submit ``item``; the cores are divided where it runs.

        Raises
        ------
        BatchError
            When the scheduler does not answer any more; the item stays queued.
        """
        if self._client.status in _GONE:
            raise BatchError(SCHEDULER_GONE)
        workers = self._client.scheduler_info(n_workers=-1)["workers"].values()
        future = self._client.submit(
            run_item,
            type(item.batch).open,
            str(item.batch.path),
            item.folder.name,
            attempts_before=item.status.attempts,
            items_at_once=max((worker["nthreads"] for worker in workers), default=1),
            key=f"napari-cnmf-{item.uuid}-{item.status.attempts}",
            pure=False,
        )
        return DaskHandle(item, future, self._client)


class DaskHandle:
    """An item that a dask scheduler has."""

    exit_code: int | None = None

    def __init__(self, item: Item, future: Any, client: Any) -> None:
        self._item = item
        self._future = future
        self._client = client

    def ended(self) -> bool:
        """Whether the scheduler says that the item's task is over."""
        return bool(self._future.done()) or self._client.status in _GONE

    @property
    def is_lost(self) -> bool:
        """Whether the scheduler is gone, or has forgotten the item."""
        return self._client.status in _GONE or self._future.status in ("cancelled", "lost")

    @property
    def problem(self) -> str | None:
        """Reason why the scheduler could not run the item; ``None`` when there is none."""
        if self.is_lost:
            return SCHEDULER_GONE
        if self._future.status != "error":
            return None
        error = self._future.exception()
        return str(error) if isinstance(error, BatchError) else f"{type(error).__name__}: {error}"

    def cpu_seconds(self) -> float | None:
        """``None``: the machine that runs the item watches its CPU time for a stall itself."""
        return None

    def insist(self) -> None:
        """Leave insisting to the machine that runs the item; take back one that has not begun."""
        if self._item.stored_state.ended:
            self._future.cancel()

    def kill(self) -> None:
        """Cancel the item; the machine that runs it ends the processes."""
        self._item.cancel()


@contextmanager
def connect(
    address: str | None, description: Path | None = None, *, timeout_s: float = 15.0
) -> Iterator[Client]:
    """Connect to the scheduler at ``address``, or to a cluster that a TOML file describes.

    Raises
    ------
    BatchError
        When dask.distributed is not installed, or nobody answers.
    """
    try:
        from distributed import Client
    except ImportError as error:
        raise BatchError(why_no_package("A cluster", "distributed", "cluster", error)) from error
    with ExitStack() as stack:
        target: Any = address
        if description is not None:
            target = stack.enter_context(make_cluster(description))
        try:
            make_client: Any = Client  # it is not annotated
            client = stack.enter_context(
                make_client(target, timeout=timeout_s, set_as_default=False)
            )
        except OSError as error:
            raise BatchError(
                f"A dask scheduler must answer at {target}, got: {error}. "
                "Is it running, and is the port reachable from here?"
            ) from error
        yield client


def make_cluster(description: Path) -> Any:
    """Make a cluster of dask-jobqueue from a short TOML file.

    ::

        kind = "slurm"            # slurm, pbs or lsf
        jobs = 8                  # at most; they are started as items need them
        [options]                 # of dask_jobqueue's SLURMCluster, PBSCluster or LSFCluster
        cores = 4
        memory = "16GB"
        walltime = "02:00:00"

    Each job runs one item at a time with all of its cores.
    """
    import tomllib

    try:
        data = tomllib.loads(description.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BatchError(f"{description} must be a readable TOML file: {error}.") from error
    kind = str(data.get("kind", "")).lower()
    unknown = data.keys() - {"kind", "jobs", "options"}
    if kind not in CLUSTER_KINDS or unknown:
        raise BatchError(
            f"{description} must have kind = one of {', '.join(CLUSTER_KINDS)}, and besides it "
            f"jobs and [options] alone; got kind {kind!r} and {sorted(unknown)}."
        )
    try:
        import dask_jobqueue
    except ImportError as error:
        raise BatchError(
            why_no_package("A cluster of this kind", "dask_jobqueue", "cluster", error)
        ) from error
    options = {"processes": 1, **data.get("options", {})}
    try:
        cluster = getattr(dask_jobqueue, CLUSTER_KINDS[kind])(
            worker_extra_args=["--nthreads", "1"], **options
        )
    except (TypeError, ValueError) as error:
        raise BatchError(f"[options] of {description} do not suit {kind}: {error}") from error
    cluster.adapt(minimum=0, maximum=int(data.get("jobs", 1)))
    return cluster
