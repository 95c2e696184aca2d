"""What a figure was measured on: processor, versions, commit, date."""

from __future__ import annotations

import datetime
import importlib.metadata
import os
import platform
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from engines.gpu import driver_version, find_gpus
from realtime.deviceprofile import processor

PACKAGES = ("numpy", "opencv-python", "av", "onnxruntime")
FOR_SOME = ("onnxruntime-gpu", "tensorrt", "tensorrt-rtx", "cuda-bindings", "torch", "nvidia-modelopt")


def describe_machine() -> dict[str, str]:
    """Return processor, cores, system, versions, commit and date as strings, in the order to print them."""
    return {
        "processor": processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}, Python {platform.python_version()}",
        "versions": ", ".join(_versions()),
        "commit": _commit(),
        "date": datetime.date.today().isoformat(),
    }


def graphics() -> str:
    """The GPUs with their driver, or why there is none."""
    found = find_gpus()
    if not found.devices:
        return f"none ({found.lack})"
    names = "; ".join(
        f"{gpu.name}, compute capability {'.'.join(map(str, gpu.capability))}, {gpu.memory / 2**30:.0f} GiB"
        for gpu in found.devices
    )
    return f"{names}; driver {driver_version() or 'unknown'}, for CUDA up to {'.'.join(map(str, found.cuda))}"


def priority() -> str:
    """How this process is scheduled: a real-time policy keeps other programs from taking the processor away."""
    if not hasattr(os, "sched_getscheduler"):
        return "usual"
    return "usual" if os.sched_getscheduler(0) == os.SCHED_OTHER else "real-time, before other programs"


def _versions() -> Iterator[str]:
    """Of the packages that are here: those that every install has, and those that only some have."""
    for package in (*PACKAGES, *FOR_SOME):
        with suppress(importlib.metadata.PackageNotFoundError):
            yield f"{package} {importlib.metadata.version(package)}"


def _commit() -> str:
    """The checkout's commit, with + where files differ from it; unknown outside a checkout."""
    here = Path(__file__).parent
    try:
        commit = subprocess.run(
            ["git", "rev-parse", "--short", "HEAD"], cwd=here, capture_output=True, text=True, check=True
        ).stdout.strip()
        changed = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return commit + ("+" if changed else "")
