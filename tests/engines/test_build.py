"""The command that builds engines says in one line what is wrong, before anything is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from engines import build, choice
from engines.build import Options, main, ranges_of
from engines.cache import EngineCache, Entry, Key
from engines.gpu import Gpus
from engines.models import Model, find_model, find_models
from tests.engines import tiny


def test_without_a_gpu_there_is_one_line_and_nothing_built(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(choice, "find_gpus", lambda: Gpus((), (0, 0), "there is no NVIDIA driver"))
    assert main(["swift"]) == 1
    assert capsys.readouterr().err == "error: TensorRT can't be used: there is no NVIDIA driver\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["no_such_model"],
            "there is no model 'no_such_model'; choose one of maskrcnn (a 170 MB download), sharp, swift",
        ),
        (["swift", "--task", "painter"], "invalid choice"),
        (["swift", "--shape", "288"], "'288' is not a size; give HEIGHTxWIDTH"),
        (["swift", "--shape", *["32x32"] * 4], "one to three sizes"),
        (["swift", "--workspace", "0"], "at least 1"),
        (["swift", "--builder-level", "9"], "invalid choice"),
        (["swift", "--precision", "fp8"], "invalid choice"),
    ],
)
def test_what_makes_no_sense_is_refused(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    try:
        code = main(arguments)
    except SystemExit as stop:
        code = 2 if stop.code else 0
    assert code in (1, 2)
    assert message in capsys.readouterr().err


def test_options_reach_the_build_and_a_name_means_all_tasks(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, Options]] = []

    class Built:
        def close(self) -> None:
            pass

    def note(model: Model, options: Options, **others: object) -> Built:
        asked.append((model.card.task, options))
        return Built()

    monkeypatch.setattr(build, "load_tensorrt", note)
    options = ["--precision", "fp32", "--shape", "288x512", "576x1024", "--workspace", "64", "--builder-level", "5"]
    assert main(["swift", *options]) == 0
    assert main(["swift", "--task", "filler"]) == 0
    wanted = Options("fp32", ((288, 512), (576, 1024)), 64, 5)
    people_and_objects = [("segmenter", wanted), ("segmenter", wanted)]
    assert asked == [*people_and_objects, ("filler", wanted), ("filler", Options())]


def test_a_folder_says_itself_what_it_is_for(tmp_path: Path) -> None:
    assert [model.card.name for model in find_models(tiny.save(tmp_path))] == ["tiny"]


def test_an_engine_that_is_removed_meanwhile_was_not_built_last(tmp_path: Path) -> None:
    class Emptied(EngineCache):
        def entries(self) -> tuple[list[Entry], list[Path]]:
            found = super().entries()
            for entry in found[0]:
                entry.path.unlink()
            return found

    cache = Emptied(tmp_path)
    cache.store(Key("segmenter", "swift", "model", "graph", "int8", "", "", "gpu", "9.0", "tensorrt"), b"plan", {})
    shop = build._Shop(None, cache, print, graphs=False, aside=False)
    assert build._built_last(shop, find_model("swift", "segmenter")) is None


def test_the_default_range_holds_small_wide_and_high_pictures_and_many_objects() -> None:
    ranges = ranges_of(find_model("swift", "segmenter").card)
    assert ranges["image"].smallest == (1, 3, 32, 32)
    assert ranges["image"].usual == (1, 3, 288, 512)
    assert ranges["image"].largest == (1, 3, 1152, 1152)
    assert ranges["guidance"].largest == (8, 3, 1152, 1152)
    assert ranges_of(find_model("swift", "filler").card)["mask"].largest == (1, 1, 1024, 1024)
