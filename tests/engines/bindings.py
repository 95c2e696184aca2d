"""What the real bindings of TensorRT offer, class by class: read from their own modules, without TensorRT's libraries.

The bindings are small wheels; the libraries that they are linked against are gigabytes, and are replaced by empty ones.
Importing needs no more than that. `python tests/engines/bindings.py MODULE` prints what a module offers as JSON.
"""

from __future__ import annotations

import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

WHEELS = {
    "8.6.1": "tensorrt-bindings==8.6.1",
    "10.0.1": "tensorrt-cu12-bindings==10.0.1",
    "10.3.0": "tensorrt-cu12-bindings==10.3.0",
    "10.16.1": "tensorrt-cu13-bindings==10.16.1.11",
    "11.4.0": "tensorrt-cu13-bindings==11.4.0.106",
}
VERSIONS = (*WHEELS, "rtx")

# Functions that the bindings expect of libnvinfer, libnvinfer_plugin and libnvonnxparser, and, in 8, of libnvparsers.
FUNCTIONS = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL", "createNvOnnxParser_INTERNAL", "getBuilderPluginRegistry",
    "getNvOnnxParserVersion", "getPluginRegistry", "initLibNvInferPlugins",
    "_ZN11nvuffparser15createUffParserEv", "_ZN11nvuffparser8FieldMapC1EPKcPKvNS_9FieldTypeEi",
    "_ZN11nvuffparser23shutdownProtobufLibraryEv", "_ZN14nvcaffeparser117createCaffeParserEv",
    "_ZN14nvcaffeparser123shutdownProtobufLibraryEv",
)  # fmt: skip

Offer = dict[str, dict[str, list[list[int]] | None]]  # class -> member -> (fewest, most) arguments of each overload


def offer_of(version: str, folder: Path) -> Offer:
    """What a version offers; skips the test where its bindings can't be had. folder: keeps them."""
    if version == "rtx":
        pytest.importorskip("tensorrt_rtx", reason="tensorrt-rtx is not installed (extra `test`, Linux x86-64)")
        return _read("tensorrt_rtx", {})
    place = folder / version
    if not (place / "whole").exists():
        _fetch(WHEELS[version], place)
        _fake_libraries(version, place)
        (place / "whole").touch()
    return _read("tensorrt_bindings", {"PYTHONPATH": str(place), "LD_LIBRARY_PATH": str(place / "lib")})


def _fetch(wheel: str, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", str(place)]
    done = subprocess.run([*pip, "--timeout", "10", "--retries", "1", wheel], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{wheel} can't be had here: {(done.stderr.strip() or 'pip failed').splitlines()[-1]}")
    (file,) = place.glob("*.whl")
    zipfile.ZipFile(file).extractall(place)


def _fake_libraries(version: str, place: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        pytest.skip("there is no C compiler to make empty libraries with")
    (place / "lib").mkdir()
    source = place / "empty.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in FUNCTIONS))
    major = version.split(".")[0]
    for library in ("nvinfer", "nvinfer_plugin", "nvonnxparser", "nvparsers"):
        name = f"lib{library}.so.{major}"
        options = ["-shared", "-fPIC", f"-Wl,-soname,{name}", "-o", str(place / "lib" / name)]
        subprocess.run([compiler, *options, str(source)], check=True)


def _read(module: str, variables: dict[str, str]) -> Offer:
    done = subprocess.run(
        [sys.executable, __file__, module], env=os.environ | variables, capture_output=True, text=True, check=True
    )
    return json.loads(done.stdout)


def describe(module: Any) -> Offer:
    """Classes and their members: for methods the number of arguments, None for what is read and set."""
    classes = {name: value for name, value in vars(module).items() if isinstance(value, type)}
    return {
        name: {member: _arguments(getattr(kind, member)) for member in dir(kind) if not member.startswith("_")}
        for name, kind in classes.items()
    }


def _arguments(member: Any) -> list[list[int]] | None:
    text = member.__doc__ or ""
    if not callable(member) or isinstance(member, type):
        return None
    heads = re.findall(r"^(?:\d+\. )?\w+\((.*)\) -> ", text, re.MULTILINE)
    return [_count(head) for head in heads if "*args" not in head]


def _count(head: str) -> list[int]:
    """Of "self: A, x: int, y: B[C, D] = 0": fewest and most arguments, [1, 2]."""
    depth, parts = 0, [""]
    for character in head:
        depth += (character in "([{<") - (character in ")]}>")
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    names = [part for part in parts if part.strip() and not part.strip().startswith("self:")]
    return [sum(" = " not in name for name in names), len(names)]


if __name__ == "__main__":
    print(json.dumps(describe(importlib.import_module(sys.argv[1]))))
