"""A device that frames are worked on: its memory, the way to it and back, and the start of its kernels."""

from __future__ import annotations

import ctypes
import gc
import math
import operator
import weakref
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np

from engines.cuda import Argument, stream_of
from realtime.cuda.array import DeviceArray, Shape
from realtime.cuda.driver import Driver
from realtime.errors import EraserError

BLOCK = 32, 8  # threads: a warp lies along a row
FARTHEST, FLAT = 1e6, 1e-12  # pixels by which anything is moved; what stands for a perspective of 0
UINT8 = np.dtype(np.uint8)
T = TypeVar("T")
_SUFFIX = {"u": "u8", "i": "i32", "f": "f32"}


class Motion(ctypes.Structure):
    """A homography: `Motion` of kernels/common.cuh."""

    _fields_ = (
        ("whole", ctypes.c_int * 2),
        ("linear", ctypes.c_float * 4),
        ("shift", ctypes.c_float * 2),
        ("perspective", ctypes.c_float * 2),
    )

    @classmethod
    def of(cls, matrix: np.ndarray) -> Motion:
        """matrix: (3, 3) float64; its last number, which is not 0 where the origin's place is finite, becomes 1."""
        scale = 1 / (float(matrix[2, 2]) or FLAT)
        a, b, x, c, d, y, e, f, _ = (number * scale for number in matrix.ravel().tolist())
        right, down = (math.floor(min(FARTHEST, max(-FARTHEST, number))) for number in (x, y))
        return cls((right, down), (a - 1, b, c, d - 1), (x - right, y - down), (e, f))


class Block:
    """Memory that goes back to its pool when the last array in it is gone."""

    __slots__ = ("_back", "address", "nbytes")

    def __init__(self, address: int, nbytes: int, back: Callable[[int, int], None]) -> None:
        self.address, self.nbytes, self._back = address, nbytes, back

    def __del__(self) -> None:
        self._back(self.address, self.nbytes)


class Pool:
    """Keeps memory that was asked for once, by size class, so that a job's later frames allocate nothing.

    What is given back may be taken again at once, since whatever uses it is queued in order on one stream. allocations:
    how often the driver was asked.
    """

    def __init__(self, allocate: Callable[[int], int], free: Callable[[int], None]) -> None:
        self._allocate, self._free = allocate, free
        self._idle: dict[int, list[int]] = defaultdict(list)
        self._closed = False
        self.allocations = 0

    def take(self, nbytes: int) -> Block:
        """Memory of at least that size: of its class, or of the next one up to twice as large, or new."""
        nbytes = _size_class(nbytes)
        if not self._idle[nbytes]:
            larger = (size for size, idle in self._idle.items() if idle and nbytes < size <= 2 * nbytes)
            nbytes = min(larger, default=nbytes)
        idle = self._idle[nbytes]
        return Block(idle.pop() if idle else self._new(nbytes), nbytes, self._back)

    def close(self) -> None:
        """Free what nothing uses, and all else as soon as it is given back."""
        self._closed = True
        self._free_idle()

    def _new(self, nbytes: int) -> int:
        self.allocations += 1
        try:
            return self._allocate(nbytes)
        except EraserError:  # what only a cycle holds, or is of sizes not asked for any longer, may be what is missing
            gc.collect()
            self._free_idle()
            return self._allocate(nbytes)

    def _free_idle(self) -> None:
        for addresses in self._idle.values():
            while addresses:
                self._free(addresses.pop())

    def _back(self, address: int, nbytes: int) -> None:
        if self._closed:
            self._free(address)
        else:
            self._idle[nbytes].append(address)


def _size_class(nbytes: int) -> int:
    """The next of four steps between powers of two: windows that change a little from frame to frame share memory."""
    step = max(256, 1 << max(0, (nbytes - 1).bit_length() - 3))
    return max(1, -(-nbytes // step)) * step


class Device:
    """Arrays and kernels on one stream. One thread at a time.

    Everything is queued; only `fetch` and `wait` do wait, and what `fetch_later` gives may. waits: how often that was.
    """

    answers_at_once = False  # as `realtime.ops.Host.answers_at_once`

    def __init__(self, driver: Driver) -> None:
        self.driver = driver
        self.name, self.stream = driver.name, driver.stream
        self.memory = Pool(driver.allocate, driver.free)
        self.pinned = Pool(driver.allocate_pinned, driver.free_pinned)
        self.waits = 0
        self._in_flight: list[Block] = []  # pinned memory that queued copies read or write
        # A frame's, and the next one's; no arrays, which would hold the device that holds them.
        self._pictures: deque[tuple[np.ndarray, Block]] = deque(maxlen=2)
        self._release = weakref.finalize(self, _release, driver, self.memory, self.pinned)
        self._release.atexit = False

    def empty(self, shape: Shape, dtype: np.dtype = UINT8) -> DeviceArray:
        """An array whose values mean nothing yet."""
        return self._array(self.memory.take(math.prod(shape) * dtype.itemsize), shape, dtype)

    def _array(self, block: Block, shape: Shape, dtype: np.dtype) -> DeviceArray:
        """Memory as a contiguous array."""
        pitch = math.prod(shape[1:]) * dtype.itemsize
        return DeviceArray(self, block, block.address, tuple(shape), dtype, pitch)

    def full(self, shape: Shape, value: float, dtype: type = np.uint8) -> DeviceArray:
        result = self.empty(shape, np.dtype(dtype))
        self.fill(result, value)
        return result

    def zeros(self, shape: Shape, dtype: type = np.uint8) -> DeviceArray:
        return self.full(shape, 0, dtype)

    def sent(self, array: np.ndarray | DeviceArray) -> DeviceArray:
        """An array in the device's memory: a copy of a NumPy array, or the array itself where it is there already."""
        if isinstance(array, DeviceArray):
            return array
        result = self.empty(array.shape if array.ndim > 1 else (1, *array.shape), array.dtype)
        if result.nbytes:
            staging = self.pinned.take(result.nbytes)
            _as_numpy(staging.address, result.shape, array.dtype)[...] = array
            self.driver.copy_in(result.address, staging.address, result.nbytes)
            self._in_flight.append(staging)
        return result

    def picture(self, image: np.ndarray) -> DeviceArray:
        """A frame's picture, which does not change: sent once, also if the next frame's is asked for in between."""
        for known, block in self._pictures:
            if known is image:
                return self._array(block, image.shape, image.dtype)
        there = self.sent(image)
        self._pictures.append((image, there.block))
        return there

    def fetch_foreign_later(self, arrays: Mapping[str, Any]) -> Callable[[], dict[str, np.ndarray]]:
        """As `fetch_later`: named arrays of another library (`__cuda_array_interface__`, contiguous), on any stream.

        Read after the stream that they name, or the default one where they name none (`engines.cuda`). Where the device
        is done with them by the time that they are asked for, nothing waits.
        """
        results = {}
        for name, array in arrays.items():
            facts = array.__cuda_array_interface__
            if (stream := stream_of(facts)) is not None:
                self.driver.wait_for(stream)
            results[name] = self._fetched(facts["data"][0], tuple(facts["shape"]), np.dtype(facts["typestr"]))
        return self._once_there(results, self.driver.mark())

    def fetch(self, *arrays: DeviceArray | np.ndarray) -> list[np.ndarray]:
        """NumPy arrays of what the device holds, once everything queued before is done: the one call that waits."""
        return self.fetch_later(*arrays)()

    def fetch_later(self, *arrays: DeviceArray | np.ndarray) -> Callable[[], list[np.ndarray]]:
        """As `fetch`, to be called for its answer when that is needed: it only waits where nobody has done so since."""
        return self._once_there([self._copied_out(one) if isinstance(one, DeviceArray) else one for one in arrays])

    def _once_there(self, results: T, passed: Callable[[], bool] = lambda: False) -> Callable[[], T]:
        """What queued copies are filling, to be called for: that waits, where nobody has done so since now.

        passed: tells that they are there without a wait.
        """
        waits = self.waits

        def fetched() -> T:
            if self.waits == waits and not passed():
                self.wait()
            return results

        return fetched

    def _copied_out(self, array: DeviceArray) -> np.ndarray:
        """A NumPy array that will hold what `array` holds now, after the next `wait`."""
        source = array if array.contiguous else array.copy()
        return self._fetched(source.address, source.shape, source.dtype)

    def _fetched(self, address: int, shape: Shape, dtype: np.dtype) -> np.ndarray:
        nbytes = math.prod(shape) * dtype.itemsize
        block = self.pinned.take(nbytes)
        if nbytes:
            self.driver.copy_out(block.address, address, nbytes)
        self._in_flight.append(block)
        result = _as_numpy(block.address, shape, dtype)
        weakref.finalize(result.base, _let_go, [block])
        return result

    def wait(self) -> None:
        self.waits += 1
        self.driver.wait()
        self._in_flight.clear()

    def fill(self, array: DeviceArray, value: float) -> None:
        suffix = _SUFFIX[array.dtype.kind]
        self.run(f"fill_{suffix}", array, array, float(value) if suffix == "f32" else int(value))

    def copy(self, source: DeviceArray, target: DeviceArray, step: int = 1) -> None:
        """Every `step`-th pixel of `source` into `target`."""
        self.run(f"copy_{_SUFFIX[source.dtype.kind]}", target, source, target, step)

    def run(self, kernel: str, over: DeviceArray, *arguments: object) -> None:
        """Queue a kernel, a thread for each pixel of `over`.

        arguments: arrays, (3, 3) matrices, ints, floats and ctypes structures, as the kernel takes them.
        """
        height, width = over.shape[:2]
        if not height or not width:
            return
        grid = -(-width // BLOCK[0]), -(-height // BLOCK[1]), 1
        self.driver.launch(kernel, grid, (*BLOCK, 1), [_argument(one) for one in arguments])

    def suffixed(self, kernel: str, array: DeviceArray) -> str:
        """The kernel's name for an array's kind of values."""
        return f"{kernel}_{_SUFFIX[array.dtype.kind]}"

    def close(self) -> None:
        """Give back all memory; its arrays must not be used any more, but what was fetched may. Twice does no harm."""
        self._in_flight.clear()
        self._pictures.clear()
        self._release()


def _release(driver: Driver, *pools: Pool) -> None:
    """Give a device's memory back once everything on its stream is done."""
    driver.wait()
    for pool in pools:
        pool.close()
    driver.close()


def _argument(value: object) -> Argument:
    """A kernel's argument; TypeError for what is none, since a wrong one would be read as something else."""
    if isinstance(value, DeviceArray):
        return value.view
    if isinstance(value, ctypes.Structure):
        return value
    if isinstance(value, np.ndarray):
        return Motion.of(value)
    if isinstance(value, (float, np.floating)):
        return ctypes.c_float(float(value))
    return ctypes.c_int(operator.index(value))  # type: ignore[arg-type]


def _as_numpy(address: int, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
    """Host memory as an array; its base is the ctypes buffer, and lives as long as any array in it."""
    buffer = (ctypes.c_ubyte * (math.prod(shape) * dtype.itemsize)).from_address(address)
    return np.frombuffer(memoryview(buffer), dtype).reshape(shape)


def _let_go(blocks: list[Block]) -> None:
    """Pinned memory is kept by this call's argument until its array is gone."""
    blocks.clear()
