"""What an operator sees of the cluster that this very process started: its metrics, state and logs."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import ray
from ray.util import state


def ray_metrics() -> str:
    """Every metric of the node, as Prometheus reads them."""
    nodes: Callable[[], list[dict[str, Any]]] = ray.nodes
    port = nodes()[0]["MetricsExportPort"]
    return httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=20).text


def ray_state() -> str:
    """What the state API and the dashboard tell of actors, workers, tasks, objects, jobs and environments."""
    # Another cluster may run on this machine: say which one is meant.
    address = ray.get_runtime_context().gcs_address
    found: list[Any] = []
    for listing in (
        state.list_actors,
        state.list_workers,
        state.list_tasks,
        state.list_objects,
        state.list_runtime_envs,
    ):
        found += listing(address, limit=10_000, detail=True, raise_on_missing_output=False)
    found += state.list_jobs(address, limit=1000, raise_on_missing_output=False)
    return "\n".join(map(repr, found))


def log_files() -> Iterator[Path]:
    """The logs of this Ray session, Serve's and the workers' own included."""
    # The driver's node knows its session; nothing public tells the folder.
    node: Any = ray._private.worker._global_node
    yield from (p for p in Path(node.get_logs_dir_path()).rglob("*") if p.is_file())
