"""Finish records on a Ray cluster of two nodes started here: ``python on_two_nodes.py SEEN PARTS KILLS FAULTS``.

With ``node`` as fifth argument the second node is taken away in the middle. Prints the outcomes as JSON.
"""

import json
import os
import sys
import threading
import time
from pathlib import Path

from ray.cluster_utils import Cluster

from ecgfeat.engine.on_ray import finish_on_ray
from ecgfeat.engine.parts import PartFolder
from ecgfeat.engine.work import WorkName

RECORDS = [f"r{number}" for number in range(12)]


def main(seen: str, parts: str, kills: str, faults: str, lost: str = "") -> None:
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "object_store_memory": 80 * 2**20})
    node = cluster.add_node(num_cpus=2, object_store_memory=80 * 2**20)
    cluster.wait_for_nodes()
    os.environ["RAY_ADDRESS"] = cluster.address

    def take_away() -> None:
        while len(list(Path(seen).iterdir())) < 4:
            time.sleep(0.02)
        cluster.remove_node(node, allow_graceful=False)

    if lost:
        threading.Thread(target=take_away, daemon=True).start()
    try:
        name = WorkName("tests.engine.counting", "Counting", (seen, kills, faults, "0.3" if lost else "0"))
        outcomes = list(finish_on_ray(name, RECORDS, PartFolder(Path(parts))))
    finally:
        import ray

        ray.shutdown()
        cluster.shutdown()
    print(json.dumps({outcome.record: outcome.fault for outcome in outcomes}))


if __name__ == "__main__":
    main(*sys.argv[1:])
