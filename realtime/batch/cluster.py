"""Workers on many machines, by Ray: each task of a batch is one of Ray's.

Inputs and outputs lie where all machines find them under the same paths, and each machine has this project installed.
Ray itself never runs a task again: a lost one comes back as such, and the driver hands it out with a folder of its own,
so that a worker that was only cut off for a while cannot disturb the next.
"""

from __future__ import annotations

import platform
import socket
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from realtime.batch.tasks import Bench, Event, Failed, Finished, Lost, Pool, Task, Told, outcome
from realtime.errors import EraserError

SPARE = 4  # tasks that wait at Ray, so that no worker is idle while the driver looks elsewhere
CONNECT_S = 5.0  # for a connection to the cluster
LOOK_S = 2.0  # between two looks at how large the cluster is


class RayPool(Pool):
    """The workers of a cluster, each with `threads` processors and, where `gpu` is set, one GPU."""

    def __init__(self, address: str, threads: int, *, gpu: bool, most: int | None = None) -> None:
        """address: as Ray takes it, or "auto" for the cluster of this machine; most: tasks at once, None for as many as
        there is room for. Raises EraserError where there is no Ray, no cluster, or none of its machines will do."""
        self._ray = ray = _ray()
        self._needs = {"CPU": float(threads)} | ({"GPU": 1.0} if gpu else {})
        self._threads, self._most = threads, most
        self._joined = not ray.is_initialized()
        if self._joined:
            _join(ray, address)
        self._seen = -LOOK_S
        self._room = 0
        self._running: dict[Any, int] = {}
        self._asked: Any = None  # what the board was asked and has not answered yet
        try:
            if not self._slots():
                wanted = "a GPU" if gpu else f"{threads} processors to spare"
                raise EraserError(f"no machine of the cluster at {address} has {wanted}: add one, or choose --device")
            self._board = self._make_board()
        except BaseException:
            self.close()
            raise
        self._do = ray.remote(num_cpus=threads, num_gpus=int(gpu), max_retries=0)(_do)

    def _make_board(self) -> Any:
        """What workers write their progress on: on this machine, which won't be lost."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        here = NodeAffinitySchedulingStrategy(self._ray.get_runtime_context().get_node_id(), soft=True)
        return self._ray.remote(num_cpus=0, scheduling_strategy=here)(_Board).remote()

    def _slots(self) -> int:
        """How many tasks the machines that are there have room for."""
        machines = [node["Resources"] for node in self._ray.nodes() if node["Alive"]]
        return sum(min(int(has.get(name, 0) // count) for name, count in self._needs.items()) for has in machines)

    @property
    def room(self) -> int:
        now = time.monotonic()
        if now - self._seen >= LOOK_S:
            # Where all machines are lost, one task still asks for a new one.
            self._seen, self._room = now, max(1, self._slots() + SPARE)
        return self._room if self._most is None else min(self._room, self._most)

    def submit(self, key: int, folder: Path, task: Task) -> None:
        self._running[self._do.remote(key, folder, task, self._threads, self._board)] = key

    def wait(self, seconds: float) -> list[Event]:
        ready, _ = self._ray.wait(list(self._running), timeout=seconds)
        told = self._told(seconds)
        return told + [self._result(reference, self._running.pop(reference)) for reference in ready]

    def _told(self, seconds: float) -> list[Event]:
        """What is new on the board; an answer that takes longer is not lost, but told next time."""
        if self._asked is None:
            self._asked = self._board.read.remote()
        try:
            told = self._ray.get(self._asked, timeout=seconds)
        except self._ray.exceptions.GetTimeoutError:
            return []
        except self._ray.exceptions.RayError:  # without the board there is only less to see
            told = {}
        self._asked = None
        return [Told(key, *count) for key, count in told.items()]

    def _result(self, reference: Any, key: int) -> Event:
        try:
            result: Finished | Failed = self._ray.get(reference)
        except self._ray.exceptions.RayTaskError as error:
            # The task could not even begin: the project isn't there, or isn't the same.
            reason = str(error).strip().splitlines()[-1]
            said = EraserError(f"{reason}: is the same version of this project on every machine?")
            return Failed(key, said, str(error))
        except self._ray.exceptions.RayError as error:
            return Lost(key, f"its worker was lost ({type(error).__name__})")
        return result

    def close(self) -> None:
        with suppress(self._ray.exceptions.RayError):
            for reference in self._running:
                self._ray.cancel(reference, force=True)
            if self._running:
                self._ray.wait(list(self._running), num_returns=len(self._running), timeout=3)
        self._running = {}
        if self._joined:
            self._ray.shutdown()


class _Board:
    """An actor that takes words on progress, and gives them away once."""

    def __init__(self) -> None:
        self._told: dict[int, tuple[int, int | None]] = {}

    def tell(self, key: int, frames: int, total: int | None) -> None:
        self._told[key] = frames, total

    def read(self) -> dict[int, tuple[int, int | None]]:
        told, self._told = self._told, {}
        return told


def _do(key: int, folder: Path, task: Task, threads: int, board: Any) -> Finished | Failed:
    """A task, in a worker."""
    import cv2

    cv2.setNumThreads(threads)
    if not folder.is_dir():
        return Failed(
            key,
            EraserError(f"{platform.node()} does not see {folder}: put inputs and outputs where all machines do"),
        )
    return outcome(key, task, Bench(folder, threads, lambda frames, total: board.tell.remote(key, frames, total)))


def _ray() -> Any:
    try:
        import ray
    except ImportError as error:
        raise EraserError("--cluster needs Ray: install it with pip install 'object-eraser[cluster]'") from error
    return ray


def _join(ray: Any, address: str) -> None:
    try:
        _check_there(address)
        ray.init(address=address, namespace="object-eraser", log_to_driver=False, logging_level="ERROR")
    except (OSError, RuntimeError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise EraserError(
            f"no Ray cluster can be reached by '{address}' ({reason}): start one with 'ray start --head', or give its "
            "address"
        ) from error


def _check_there(address: str) -> None:
    """Raise OSError where nobody listens at host:port, for which Ray would wait for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
