"""A Ray cluster of two nodes on this machine, one of which is killed in the middle of a run: prints what came out."""

import json
import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lab import tasks

from proofyard.lab.runner import Runner


def started(start: Callable[[], Any]) -> Any:
    """Start something of Ray, which gives up after 30 s where a busy machine takes longer."""
    for _ in range(4):
        try:
            return start()
        except Exception as error:  # noqa: BLE001 - it raises a plain Exception
            print(error, file=sys.stderr)  # noqa: T201
    return start()


def main(folder: Path) -> None:
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ["RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"] = "0"
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - after its settings

    cluster = started(lambda: Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}))
    second = started(lambda: cluster.add_node(num_cpus=1))
    try:
        with Runner(ray=cluster.address, folder=folder / "kept") as runner:
            nodes = sum(node["Alive"] for node in runner.pool.ray.nodes())  # type: ignore[union-attr]

            (folder / "victim").write_text(second.node_id, encoding="utf-8")

            def kill() -> None:
                while not (folder / "hanging").exists():
                    time.sleep(0.05)
                cluster.remove_node(second, allow_graceful=False)

            threading.Thread(target=kill, daemon=True).start()
            tasks_of = [(str(folder), number) for number in range(40)]
            rows = runner.map(tasks.hang_on_victim, tasks_of, [f"{number}" for number in range(40)])
            deaths = runner.deaths
        print(json.dumps({"nodes": nodes, "deaths": deaths, "rows": [r["number"] for r in rows]}))  # noqa: T201
    finally:
        cluster.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
