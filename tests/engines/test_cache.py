"""Engines are kept whole, under everything that they hold for; processes that build the same one take turns."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from engines import cache as module
from engines.cache import EngineCache, Key, main, write_whole
from engines.errors import EngineError
from engines.folders import CACHE, user_folder
from engines.gpu import Gpu, Gpus
from engines.lock import locked
from engines.models import find_model

KEY = Key(
    task="segmenter",
    name="swift",
    model="a" * 64,
    graph="b" * 64,
    precision="fp16",
    shapes="image 288x512",
    options="workspace 1024",
    gpu="NVIDIA Test",
    capability="8.9",
    tensorrt="tensorrt 10.16.1",
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> EngineCache:
    monkeypatch.setenv("ERASER_CACHE", str(tmp_path / "cache"))
    return EngineCache()


def test_what_was_kept_comes_back(cache: EngineCache) -> None:
    assert cache.load(KEY) is None
    cache.store(KEY, b"plan\nwith lines", {"seconds": 3})
    assert cache.load(KEY) == (b"plan\nwith lines", {"seconds": 3})
    cache.remove(KEY)
    assert cache.load(KEY) is None


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(Key)])
def test_everything_that_an_engine_holds_for_is_in_its_key(cache: EngineCache, field: str) -> None:
    other = dataclasses.replace(KEY, **{field: "other"})
    cache.store(KEY, b"plan", {})
    assert other.stem != KEY.stem
    assert cache.load(other) is None


def test_another_engine_under_this_ones_name_is_not_taken(cache: EngineCache, caplog: pytest.LogCaptureFixture) -> None:
    other = dataclasses.replace(KEY, gpu="another")
    cache.store(other, b"plan", {}).rename(cache.folder / f"{KEY.stem}.engine")
    assert cache.load(KEY) is None
    assert "another engine's" in caplog.text


def test_any_cut_and_any_changed_byte_is_noticed(cache: EngineCache) -> None:
    path = cache.store(KEY, b"plan", {})
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        assert cache.load(KEY) is None
    for index in range(0, len(content), 7):
        path.write_bytes(content[:index] + bytes([content[index] ^ 1]) + content[index + 1 :])
        found = cache.load(KEY)
        assert found is None or found[0] == b"plan"  # a change of what is only told, not of what is run


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"old")
    with pytest.raises(TypeError):
        write_whole(tmp_path / "file", b"half", None)  # type: ignore[arg-type]
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_reader_never_sees_a_part(cache: EngineCache) -> None:
    plans = [bytes([value]) * 200_000 for value in (1, 2)]
    cache.store(KEY, plans[0], {})
    stop = threading.Event()

    def write() -> None:
        while not stop.is_set():
            for plan in plans:
                cache.store(KEY, plan, {})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(50):
            found = cache.load(KEY)
            assert found is not None
            assert found[0] in plans
    finally:
        stop.set()
        writer.join()


HOLD = """
import sys, time
from pathlib import Path
from types import SimpleNamespace
from engines.gpu import Gpu, Gpus
from engines.lock import locked
from engines.models import find_model
with locked(Path(sys.argv[1]), 5):
    print("held", flush=True)
    sys.stdin.read()
"""


def hold(path: Path) -> subprocess.Popen[str]:
    """Another process that holds the lock until its input is closed."""
    command = [sys.executable, "-c", HOLD, str(path)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lock_waits_for_the_other_process_and_says_so(tmp_path: Path) -> None:
    with hold(tmp_path / "lock") as process:
        waited: list[bool] = []

        def release() -> None:
            waited.append(True)
            assert process.stdin is not None
            process.stdin.close()

        with locked(tmp_path / "lock", 60, release):
            assert waited == [True]
        assert process.wait() == 0


def test_a_lock_gives_up_after_its_time_and_a_dead_process_holds_none(tmp_path: Path) -> None:
    with hold(tmp_path / "lock") as process:
        with pytest.raises(EngineError, match="another process has held"), locked(tmp_path / "lock", 0.3):
            pass
        process.kill()
        process.wait()
        with locked(tmp_path / "lock", 60):
            pass


def test_threads_take_turns_too(tmp_path: Path) -> None:
    inside, most = [], []

    def work() -> None:
        with locked(tmp_path / "lock", 60):
            inside.append(1)
            most.append(len(inside))
            time.sleep(0.01)
            inside.pop()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == [1, 1, 1]


def test_the_folder_is_the_users_unless_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("ERASER_CACHE", str(tmp_path / "mine"))
    assert user_folder(CACHE) == tmp_path / "mine"
    monkeypatch.delenv("ERASER_CACHE")
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert user_folder(CACHE) == tmp_path / "object-eraser"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert user_folder(CACHE) == Path.home() / ".cache" / "object-eraser"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert user_folder(CACHE) == tmp_path / "local" / "object-eraser"


def test_a_folder_that_can_not_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    cache = EngineCache(tmp_path / "file")
    with pytest.raises(EngineError, match="set ERASER_CACHE"):
        cache.store(KEY, b"plan", {})
    with pytest.raises(EngineError, match="set ERASER_CACHE"), cache.building(KEY):
        pass


def test_engines_are_listed_described_and_removed(cache: EngineCache, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    assert "no engines in" in capsys.readouterr().out
    cache.store(KEY, b"plan", {"seconds": 41.5, "layers": {"FP16": 120, "FP32": 3}, "parity": {"iou": 0.998}})
    other = dataclasses.replace(KEY, precision="int8")
    cache.store(other, b"", {"refused": "its answers are wrong"})
    (cache.folder / "segmenter-broken.engine").write_bytes(b"?")
    assert main(["list"]) == 0
    listed = capsys.readouterr().out.splitlines()
    assert listed[0].startswith("segmenter-swift-fp16-")
    assert "NVIDIA Test, tensorrt 10.16.1  layers: 120 FP16, 3 FP32" in listed[0]
    assert "refused" in listed[1]
    assert "segmenter-broken  damaged" in listed[2]
    assert main(["info", KEY.stem]) == 0
    told = capsys.readouterr().out
    for text in ("FP16 120, FP32 3", "iou 0.998", "41.5", "8.9", KEY.model):
        assert text in told
    assert main(["remove", KEY.stem]) == 0
    assert cache.load(KEY) is None
    assert main(["remove", KEY.stem]) == 1
    assert "there is no engine" in capsys.readouterr().err
    cache.timing("gpu", "version").write_bytes(b"timing")
    (cache.folder / ".segmenter-swift.engine.1a2b3c4d.part").write_bytes(b"half an eng")
    assert main(["remove", "--all"]) == 0
    assert not list(cache.folder.iterdir())


def test_what_nothing_here_will_load_is_stale(
    cache: EngineCache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trt = SimpleNamespace(__name__="tensorrt", __version__="10.16.1")
    monkeypatch.setattr(module, "find_gpus", lambda: Gpus((Gpu("NVIDIA Test", (8, 9), 1 << 30),), (13, 0), ""))
    monkeypatch.setattr(module, "tensorrt_module", lambda: trt)
    now = find_model("swift", "segmenter").card.sha256
    good = dataclasses.replace(KEY, model=now)
    mine = dataclasses.replace(KEY, name="mine")  # a model from elsewhere: nobody knows how it is now
    others = [dataclasses.replace(good, gpu="Other"), dataclasses.replace(good, tensorrt="tensorrt 8.6.1"), KEY]
    for key in (good, mine, *others):
        cache.store(key, b"plan", {})
    (cache.folder / "segmenter-broken.engine").write_bytes(b"?")
    left, written = (cache.folder / f".segmenter-swift.engine.{number}.part" for number in (1, 2))
    for part in (left, written):
        part.write_bytes(b"half an eng")
    os.utime(left, (0, 0))
    assert main(["remove", "--stale"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 5
    assert not left.exists()
    assert written.exists()
    assert {entry.key for entry in cache.entries()[0]} == {good, mine}
    assert main(["remove", "--stale"]) == 0
    assert "nothing to remove" in capsys.readouterr().out


def test_a_name_that_is_not_there_and_a_command_without_one_are_refused(
    cache: EngineCache, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["info", "nothing"]) == 1
    assert "engines.cache list" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        main(["remove"])
    with pytest.raises(SystemExit, match="2"):
        main(["remove", "--all", "--stale"])


def test_the_head_of_a_file_is_text_that_people_can_read(cache: EngineCache) -> None:
    head = cache.store(KEY, b"plan", {"seconds": 1}).read_bytes().split(b"\n")[0]
    assert head.startswith(module.MAGIC)
    assert json.loads(head[len(module.MAGIC) :])["key"]["gpu"] == "NVIDIA Test"
