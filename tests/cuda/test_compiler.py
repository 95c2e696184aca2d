from __future__ import annotations

import pytest

from realtime.cuda import compiler
from realtime.errors import EraserError
from tests.cuda.emulator import kernel_names

try:
    compiler.nvrtc_version()
except EraserError as error:
    pytest.skip(f"the kernels cannot be compiled: {error}", allow_module_level=True)


@pytest.mark.parametrize("architecture", ["sm_75", "sm_80", "sm_86", "sm_87", "sm_89", "sm_90"])
def test_every_kernel_compiles(architecture):
    cubin = compiler.compile_kernels(architecture)
    assert cubin.startswith(b"\x7fELF")
    assert all(b".text." + name.encode() + b"\0" in cubin for name in kernel_names())


def test_no_kernel_computes_in_doubles():
    nvrtc = compiler._nvrtc()
    _, program = nvrtc.nvrtcCreateProgram(compiler.source().encode(), b"kernels.cu", 0, [], [])
    options = [b"--gpu-architecture=compute_75", *(option.encode() for option in compiler.OPTIONS)]
    nvrtc.nvrtcCompileProgram(program, len(options), options)
    assembly = bytes(nvrtc.nvrtcGetPTXSize(program)[1])
    nvrtc.nvrtcGetPTX(program, assembly)
    assert b".f32" in assembly
    assert b".f64" not in assembly


def test_a_kernel_that_does_not_compile_says_why(monkeypatch):
    monkeypatch.setattr(compiler, "source", lambda: "__global__ void broken() { nothing(); }")
    with pytest.raises(EraserError, match='"nothing" is undefined'):
        compiler.compile_kernels("sm_90")


def test_what_was_compiled_is_taken_from_disk(monkeypatch, tmp_path):
    made = []
    monkeypatch.setattr(compiler, "compile_kernels", lambda name: made.append(name) or b"\x7fELF" + name.encode())
    for _ in range(2):
        assert compiler.cached_kernels("sm_90", tmp_path) == b"\x7fELFsm_90"
    compiler.cached_kernels("sm_80", tmp_path)
    monkeypatch.setattr(compiler, "source", lambda: "another source")
    compiler.cached_kernels("sm_90", tmp_path)
    assert made == ["sm_90", "sm_80", "sm_90"]
    assert len(list(tmp_path.iterdir())) == 3


def test_a_damaged_file_is_made_anew_and_a_cache_that_cannot_be_written_does_no_harm(monkeypatch, tmp_path):
    monkeypatch.setattr(compiler, "compile_kernels", lambda name: b"\x7fELF" + name.encode())
    compiler.cached_kernels("sm_90", tmp_path)
    (file,) = tmp_path.iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[:-1], whole.replace(b"sm_90", b"sm_80"), b"\x7fELFsm_90"):
        file.write_bytes(damaged)
        assert compiler.cached_kernels("sm_90", tmp_path) == b"\x7fELFsm_90"
        assert file.read_bytes() == whole
    assert compiler.cached_kernels("sm_90", file) == b"\x7fELFsm_90"
