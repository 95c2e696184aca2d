"""The same batch on a Ray cluster of several workers, one of which dies."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import pytest

from realtime.batch import pieces
from realtime.batch.cluster import RayPool, _Board
from realtime.batch.run import erase_batch
from realtime.batch.tasks import Told
from realtime.errors import EraserError
from tests.batch.pools import Sleep, SlowPiece
from tests.batch.test_pieces import OPTIONS, assert_same_frames, at_one_go, source  # noqa: F401 - a fixture
from tests.cli import media
from tests.cli.command import ROOT

ray = pytest.importorskip("ray", reason="Ray is not installed: pip install 'object-eraser[cluster]'")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="a cluster of several nodes on one machine needs POSIX")
CHOSEN = {name: value for name, value in OPTIONS.items() if name != "threads"} | {"codec": "ffv1"}


@pytest.fixture(scope="module")
def cluster():
    """A head that only drives, and three nodes with a processor each, one of them with what it calls a GPU."""
    from ray.cluster_utils import Cluster

    patch = pytest.MonkeyPatch()
    patch.setenv("PYTHONPATH", str(ROOT))
    patch.setenv("RAY_health_check_period_ms", "500")
    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    nodes = [started.add_node(num_cpus=1), started.add_node(num_cpus=1), started.add_node(num_cpus=1, num_gpus=1)]
    yield started, nodes
    ray.shutdown()
    started.shutdown()
    patch.undo()


def test_a_node_that_dies_in_the_middle_costs_time_and_no_frame(cluster, source: Path, tmp_path, monkeypatch):  # noqa: F811
    started, nodes = cluster
    folder = tmp_path / "in"
    (folder / "nodes").mkdir(parents=True)
    (folder / "film.mkv").symlink_to(source)
    media.clip(folder / "short.mkv", 6)
    (folder / "bad.mkv").write_bytes(b"no video")
    monkeypatch.setattr(pieces, "ErasePiece", SlowPiece)
    victim = nodes.pop(0)
    seen = []

    def watch(status):
        seen.extend(running.frames for running in status.running)
        if not nodes[2:] and list((folder / "nodes").glob(f"{victim.node_id}-*")):
            nodes.append(None)  # once
            started.remove_node(victim, allow_graceful=False)

    result = erase_batch(folder, tmp_path / "out", cluster=started.address, shortest=1.0, progress=watch, **CHOSEN)
    assert {each.name: each.state for each in result.outcomes} == {
        "bad.mkv": "failed",
        "film.mkv": "done",
        "short.mkv": "done",
    }
    began = [path.name for path in (folder / "nodes").iterdir()]
    assert len({name.partition("-")[0] for name in began}) == 3
    assert len(began) > 4, "nothing was done again"
    assert max(seen) > 0
    assert_same_frames(tmp_path / "out" / "film.mkv", at_one_go(source, tmp_path, "film.mkv", codec="ffv1"))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        ".erase-video.journal",
        "film.mkv",
        "short.mkv",
    ]


class SlowBoard(_Board):
    """Takes longer to answer than anybody waits."""

    def read(self) -> dict[int, tuple[int, int | None]]:
        told = super().read()
        time.sleep(0.5)
        return told


def test_words_on_progress_that_come_late_are_not_lost(cluster, tmp_path):
    started, _ = cluster
    with RayPool(started.address, 1, gpu=False) as pool:
        pool._board = ray.remote(num_cpus=0)(SlowBoard).remote()
        pool.submit(7, tmp_path, Sleep())
        events = []
        until = time.monotonic() + 30
        while not events and time.monotonic() < until:
            events += pool.wait(0.1)
    assert events == [Told(7, 1, 2)]


def test_gpu_work_goes_to_nodes_with_a_gpu(cluster):
    started, _ = cluster
    with RayPool(started.address, 1, gpu=True) as pool:
        assert pool._slots() == 1
    with pytest.raises(EraserError, match=r"no machine of the cluster .* has 64 processors"):
        RayPool(started.address, 64, gpu=False)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "ray://127.0.0.1:1", "nowhere:port"])
def test_without_a_cluster_there_is_a_line(address):
    with pytest.raises(EraserError, match=r"no Ray cluster can be reached by .*ray start --head"):
        RayPool(address, 1, gpu=False)


def test_without_ray_there_is_a_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(EraserError, match="--cluster needs Ray"):
        RayPool("auto", 1, gpu=False)
