"""`python -m engines.doctor`: what of this machine the eraser can use, and what to do about each thing that is missing.

It needs nothing but Python: what is not installed is what it is there to tell. Nothing is switched on: cameras are
listed, not opened. What could take the process down with it is tried in another one.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

from engines.cache import EngineCache
from engines.choice import ORDER, TENSORRTS, lack_of
from engines.gpu import driver_version, find_gpus

CODECS = ("h264_cuvid", "hevc_cuvid", "av1_cuvid", "h264_nvenc", "hevc_nvenc", "av1_nvenc")
PATIENCE = 60  # seconds for another process to import something


@dataclass(frozen=True)
class Finding:
    """A line of the report: a name, what was found, and what to do about it where something is missing."""

    name: str
    found: str
    advice: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything, one after the other; whatever fails on the way is itself a finding."""
    for name, look in LOOKS.items():
        yield _finding(name, look)
    yield from _runtimes()


def _finding(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except Exception as error:  # a doctor who falls ill helps nobody
        reason = " ".join(str(error).split()) or type(error).__name__
        return Finding(name, f"can't be told ({reason[:200]})", "install it again, or report this")


def _python() -> Finding:
    return Finding("Python", f"{platform.python_version()}, {platform.system()} {platform.machine()}")


def _gpu() -> Finding:
    gpus = find_gpus()
    names = "; ".join(
        f"{gpu.name} (compute capability {gpu.capability[0]}.{gpu.capability[1]}, {gpu.memory / 2**30:.0f} GiB)"
        for gpu in gpus.devices
    )
    several = "the first is used; CUDA_VISIBLE_DEVICES=1 makes the second one the first" if gpus.devices[1:] else ""
    return Finding("GPU", names or "none", f"{gpus.lack}: everything runs on the CPU" if gpus.lack else several)


def _driver() -> Finding:
    cuda = find_gpus().cuda
    if cuda == (0, 0):
        return Finding("driver", "none", "with an NVIDIA GPU: install its driver")
    return Finding("driver", f"{driver_version() or 'version unknown'}, runs CUDA up to {cuda[0]}.{cuda[1]}")


def _cuda_python() -> Finding:
    version = _version("cuda-bindings") or _version("cuda-python")
    if version is None:
        return Finding("cuda-python", "not installed", "for TensorRT and GPU kernels: `pip install .[gpu]`")
    major, newest = int(version.split(".")[0]), find_gpus().cuda[0]
    if newest and major > newest:
        return Finding("cuda-python", version, f"too new for the driver: `pip install 'cuda-python<{newest + 1}'`")
    return Finding("cuda-python", version)


def _nvrtc() -> Finding:
    version = _nvrtc_version()
    if version is None:
        return Finding("NVRTC", "not installed", "it compiles GPU kernels: `pip install .[gpu]`")
    newest, advice = find_gpus().cuda[0], ""
    if newest and version[0] > newest:  # nor does that driver load what it makes
        packages = f"'cuda-python<{newest + 1}' nvidia-cuda-nvrtc-cu{newest}"
        advice = f"too new for the driver, so that frames are worked on by the CPU: `pip install {packages}`"
    return Finding("NVRTC", "{}.{}".format(*version), advice)


def _nvrtc_version() -> tuple[int, int] | None:
    """What cuda-python finds, in a package or in the system, as on a Jetson."""
    with suppress(Exception):  # cuda-python's own, where there is none
        error, *version = import_module("cuda.bindings.nvrtc").nvrtcVersion()
        return None if int(error) else (version[0], version[1])
    return None


def _tensorrt() -> Finding:
    found: list[str] = []
    faults: list[str] = []
    for name in TENSORRTS:
        if _version(name) is None and not _importable(name):
            continue
        version, fault = _import_elsewhere(name)
        (faults if fault else found).append(f"{name} {fault or version}")
    if not found:
        advice = "on an NVIDIA GPU several times faster: `pip install .[gpu]`; on a Jetson JetPack brings it"
        return Finding("TensorRT", "; ".join(faults) or "not installed", advice)
    return Finding("TensorRT", "; ".join([*found, *faults]))


def _onnxruntime() -> Finding:
    if not _importable("onnxruntime"):
        return Finding("onnxruntime", "not installed", "it runs the networks on the CPU: `pip install onnxruntime`")
    module: Any = import_module("onnxruntime")
    return Finding("onnxruntime", f"{module.__version__}: {', '.join(module.get_available_providers())}")


def _torch() -> Finding:
    version = _version("torch")
    return Finding("torch", version or "not installed", "" if version else "for training alone: `pip install .[train]`")


def _ffmpeg() -> Finding:
    if not _importable("av"):
        return Finding("FFmpeg", "PyAV is not installed", "it reads and writes videos: `pip install av`")
    module: Any = import_module("av")
    devices = _hardware(module)
    codecs = [name for name in CODECS if name in module.codecs_available]
    version = ".".join(str(part) for part in module.library_versions["libavcodec"])
    made_for = ", ".join([*devices, *codecs]) or "none"
    found = f"libavcodec {version} (PyAV {module.__version__}); made for hardware: {made_for}"
    return Finding("FFmpeg", found, "" if codecs else "videos are decoded and encoded on the CPU, which works as well")


def _hardware(av: Any) -> list[str]:
    """The kinds of hardware decoding that FFmpeg was made for, such as cuda and vaapi."""
    try:
        return sorted(str(name) for name in import_module("av.codec.hwaccel").hwdevices_available())
    except (ImportError, AttributeError):
        return []


def _opencv() -> Finding:
    if not _importable("cv2"):
        return Finding("OpenCV", "not installed", "it works on pictures: `pip install opencv-python`")
    module: Any = import_module("cv2")
    backend = gui_backend(module.getBuildInformation())
    if backend == "none":
        advice = "windows need `pip install opencv-python` in place of opencv-python-headless"
        return Finding("OpenCV", f"{module.__version__}, no windows", advice)
    screen = sys.platform != "linux" or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    advice = "" if screen else "there is no display: erase-live needs --headless"
    return Finding("OpenCV", f"{module.__version__}, windows by {backend}", advice)


def gui_backend(information: str) -> str:
    """The library that draws windows, out of OpenCV's build information; none without one."""
    section = re.search(r"^  GUI:(.*)\n((?:    .*\n)*)", information, re.MULTILINE)
    if section is None:
        return "none"
    for line in (section[1], *section[2].splitlines()):
        name, _, state = line.strip().partition(":") if ":" in line else (line.strip(), "", "YES")
        if name and state.strip().upper().startswith("YES") and name.strip().upper() != "NONE":
            return name.strip()
    return "none"


def _cameras() -> Finding:
    if sys.platform != "linux":
        return Finding("cameras", "not looked for here", "`erase-live --list-cameras` does")
    folders = sorted(Path("/sys/class/video4linux").glob("video*"))
    names = [f"{folder.name} {_text(folder / 'name').strip()}" for folder in folders]
    return Finding("cameras", "; ".join(names) or "none", "" if names else "connect one, or give erase-live a file")


def _engines() -> Finding:
    cache = EngineCache()
    entries, damaged = cache.entries()
    size = sum(entry.size for entry in entries) / 1e6
    found = f"{len(entries)} in {cache.folder}, {size:.0f} MB"
    return Finding("engines", found, f"{len(damaged)} damaged: they are built again when needed" if damaged else "")


def _runtimes() -> Iterator[Finding]:
    """What the networks run on, the best first, and why not on a better one."""
    for place in ORDER:
        runtime, device = place
        lack = lack_of(place)
        yield Finding(f"{runtime} on {device}", "no" if lack else "taken", lack)
        if not lack:
            return


LOOKS: dict[str, Callable[[], Finding]] = {
    "Python": _python,
    "GPU": _gpu,
    "driver": _driver,
    "cuda-python": _cuda_python,
    "NVRTC": _nvrtc,
    "TensorRT": _tensorrt,
    "onnxruntime": _onnxruntime,
    "torch": _torch,
    "FFmpeg": _ffmpeg,
    "OpenCV": _opencv,
    "cameras": _cameras,
    "engines": _engines,
}


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _importable(module: str) -> bool:
    from importlib import util

    return util.find_spec(module) is not None


def _import_elsewhere(module: str) -> tuple[str, str]:
    """Version and fault, one of them empty, of a module that is imported in another process."""
    code = f"import {module}; print({module}.__version__)"
    try:
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return "", f"does not answer within {PATIENCE} s"
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        return "", f"can't be imported ({last[:200]})"
    return done.stdout.strip().splitlines()[-1], ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def main(arguments: list[str] | None = None) -> int:
    """Print the report; returns the exit code, always 0: to find something missing is no failure."""
    about = "What of this machine the eraser can use, and what to do about each thing that is missing."
    argparse.ArgumentParser(prog="python -m engines.doctor", description=about).parse_args(arguments)
    for finding in examine():
        print(f"{finding.name:<20} {finding.found}")
        if finding.advice:
            print(f"{'':<20}   -> {finding.advice}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
