"""Compiles the kernels with NVRTC, once per GPU architecture: what it made is kept on disk."""

from __future__ import annotations

import hashlib
import os
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

from realtime.errors import EraserError

FILES = "common.cuh", "basic.cu", "resize.cu", "warp.cu", "morphology.cu", "light.cu", "plate.cu", "parts.cu"
# Without contraction to fused multiply-adds the arithmetic is that of the C++ standard, on a GPU as on a CPU.
OPTIONS = "--std=c++17", "--fmad=false"


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

    folder: None for the user's cache. Files are put in place whole, so that processes may share them; a cache that
    cannot be written costs nothing but the time to compile (about 1 s).
    """
    folder = folder or cache_folder()
    file = folder / f"kernels-{_key(architecture)}.cubin"
    try:
        content = file.read_bytes()
    except OSError:
        content = b""
    if content.startswith(b"\x7fELF"):
        return content
    cubin = compile_kernels(architecture)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".kernels-", delete=False) as written:
            written.write(cubin)
        os.replace(written.name, file)
    except OSError:
        pass
    return cubin


def cache_folder() -> Path:
    """Where compiled kernels are kept: OBJECT_ERASER_CACHE, or the user's cache folder."""
    given = os.environ.get("OBJECT_ERASER_CACHE")
    base = given or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "object-eraser")
    return Path(base) / "kernels"


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
