"""A device made of the CPU: the kernels as a host compiler builds them, behind the driver's interface.

It works as a GPU would, only later: copies and launches are queued, and done when somebody waits, so that a result that
is read too early, or memory that is used again too early, shows in a test.
"""

from __future__ import annotations

import ctypes
import re
import shutil
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from realtime.cuda import compiler
from realtime.cuda.device import Device

HERE = Path(__file__).parent


def kernel_names() -> list[str]:
    return re.findall(r'extern "C" __global__ void (\w+)\(', compiler.source())


def built(source: Path, result: Path, *options: str) -> Path:
    """A shared library made by a host compiler; skips where there is none."""
    compiler = shutil.which("g++") or shutil.which("clang++")
    if compiler is None:
        pytest.skip("no C++ compiler: the kernels cannot be run on the CPU")
    command = [compiler, "-std=c++17", "-O2", *options, "-fPIC", "-shared", str(source), "-o", str(result)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return result


@cache
def library(folder: Path) -> Path:
    """The kernels as a shared library, each behind a function `launch_NAME(grid, block, parameters)`."""
    launchers = "\n".join(
        f'extern "C" void launch_{name}(const unsigned* grid, const unsigned* block, void** parameters) '
        f"{{ run({name}, grid, block, parameters); }}"
        for name in kernel_names()
    )
    file = folder / "kernels.cpp"
    file.write_text(f'#include "{HERE / "host_compiler.hpp"}"\n{compiler.source()}\n{launchers}\n')
    return built(file, folder / "kernels.so", "-ffp-contract=off", "-w")


class Emulator:
    """A driver whose device is the CPU. calls: how often each of the driver's calls was made; launches: each kernel;
    copies_in: bytes of each copy to the device. backwards: set its value to run the last thread of each kernel first;
    fast: whether the device is done with everything by the time that it is asked.
    """

    name = "the CPU, for tests"
    stream = 7
    fast = False

    def __init__(self, kernels: Path) -> None:
        self._kernels = ctypes.CDLL(str(kernels))
        self.backwards = ctypes.c_int.in_dll(self._kernels, "backwards")
        self._queue: list = []
        self._memory: dict[int, ctypes.Array] = {}
        self.calls: Counter[str] = Counter()
        self.launches: Counter[str] = Counter()
        self.copies_in: list[int] = []

    def allocate(self, nbytes: int) -> int:
        self.calls["allocate"] += 1
        block = (ctypes.c_ubyte * nbytes)()
        ctypes.memset(block, 0xA5, nbytes)  # what nobody wrote must not look like anything
        self._memory[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    def allocate_pinned(self, nbytes: int) -> int:
        return self.allocate(nbytes)

    def free(self, address: int) -> None:
        self._run()  # as the driver's does
        del self._memory[address]

    def free_pinned(self, address: int) -> None:
        self.free(address)

    def copy_in(self, device: int, pinned: int, nbytes: int) -> None:
        self.calls["copy_in"] += 1
        self.copies_in.append(nbytes)
        self._queue.append(lambda: ctypes.memmove(device, pinned, nbytes))

    def copy_out(self, pinned: int, device: int, nbytes: int) -> None:
        self.calls["copy_out"] += 1
        self._queue.append(lambda: ctypes.memmove(pinned, device, nbytes))

    def launch(self, kernel, grid, block, arguments) -> None:
        self.calls["launch"] += 1
        self.launches[kernel] += 1
        function = self._kernels[f"launch_{kernel}"]
        self._queue.append((function, (ctypes.c_uint * 3)(*grid), (ctypes.c_uint * 3)(*block), arguments))

    def wait(self) -> None:
        self.calls["wait"] += 1
        self._run()

    def _run(self) -> None:
        """Do what is queued."""
        queue, self._queue = self._queue, []
        for work in queue:
            if callable(work):
                work()
            else:
                function, grid, block, arguments = work
                function(grid, block, (ctypes.c_void_p * len(arguments))(*map(ctypes.addressof, arguments)))

    def mark(self):
        reached: list = []
        self._queue.append(lambda: reached.append(True))

        def passed():
            if self.fast:
                self._run()
            return bool(reached)

        return passed

    def wait_for(self, stream: int) -> None:
        self.calls["wait_for"] += 1

    def close(self) -> None:
        assert not self._queue


def emulated(folder: Path) -> Device:
    return Device(Emulator(library(folder)))
