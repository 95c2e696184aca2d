"""Compiles the kernels with NVRTC, once per GPU architecture: what it made is kept on disk."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from importlib import resources
from pathlib import Path
from typing import Any

from engines.cache import write_whole
from engines.folders import CACHE, user_folder
from realtime.errors import EraserError

FILES = "common.cuh", "basic.cu", "resize.cu", "warp.cu", "morphology.cu", "light.cu", "plate.cu", "parts.cu"
# Without contraction to fused multiply-adds the arithmetic is that of the C++ standard, on a GPU as on a CPU.
OPTIONS = "--std=c++17", "--fmad=false"
CHECKSUM = 32  # bytes of a file's sha256, at its end


def source() -> str:
    """All kernels in one translation unit, as NVRTC and host compilers take it."""
    folder = resources.files("realtime.cuda") / "kernels"
    return "\n".join(f'#line 1 "{name}"\n{(folder / name).read_text()}' for name in FILES)


def compile_kernels(architecture: str) -> bytes:
    """The kernels' cubin for an architecture such as "sm_90"; EraserError with the compiler's log where it fails."""
    nvrtc = _nvrtc()
    program = _ok(nvrtc.nvrtcCreateProgram(source().encode(), b"kernels.cu", 0, [], []))
    options = [f"--gpu-architecture={architecture}".encode(), *(option.encode() for option in OPTIONS)]
    (status,) = nvrtc.nvrtcCompileProgram(program, len(options), options)
    if int(status) != 0:
        log = bytes(_ok(nvrtc.nvrtcGetProgramLogSize(program)))
        nvrtc.nvrtcGetProgramLog(program, log)
        raise EraserError(f"the kernels do not compile for {architecture}: {log.decode().strip(chr(0))}")
    cubin = bytes(_ok(nvrtc.nvrtcGetCUBINSize(program)))
    _ok(nvrtc.nvrtcGetCUBIN(program, cubin))
    nvrtc.nvrtcDestroyProgram(program)
    return cubin


def cached_kernels(architecture: str, folder: Path | None = None) -> bytes:
    """As `compile_kernels`, from disk where this very source was compiled for it before.

    folder: None for `kernels` in the user's cache. Files are put in place whole, so that processes may share them, and
    end with their checksum; a cache that cannot be written costs nothing but the time to compile (about 1 s).
    """
    folder = folder or user_folder(CACHE) / "kernels"
    file = folder / f"kernels-{_key(architecture)}.cubin"
    try:
        content = file.read_bytes()
    except OSError:
        content = b""
    cubin, checksum = content[:-CHECKSUM], content[-CHECKSUM:]
    if hashlib.sha256(cubin).digest() == checksum:
        return cubin
    cubin = compile_kernels(architecture)
    with suppress(OSError):
        write_whole(file, cubin, hashlib.sha256(cubin).digest())
    return cubin


def _key(architecture: str) -> str:
    """Names what the cubin depends on: source, architecture, options and compiler."""
    text = "\n".join([source(), architecture, *OPTIONS, repr(nvrtc_version())])
    return f"{architecture}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def nvrtc_version() -> tuple[int, int]:
    """The compiler's version; EraserError where it is not installed."""
    return _ok(_nvrtc().nvrtcVersion())


def _nvrtc() -> Any:
    """The compiler's bindings; EraserError where it is not installed."""
    try:
        from cuda.bindings import nvrtc

        nvrtc.nvrtcVersion()
    except Exception as error:  # cuda-python's own, where the compiler's library is missing
        raise EraserError("cuda-python or NVRTC is not installed (`pip install .[gpu]`)") from error
    return nvrtc


def _ok(answer: tuple) -> Any:
    status, *values = answer
    if int(status) != 0:
        raise EraserError(f"NVRTC failed: {getattr(status, 'name', status)}")
    return values[0] if len(values) == 1 else tuple(values)
