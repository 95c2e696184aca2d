"""The whole eraser on a device gives what it gives on NumPy arrays."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace

import numpy as np
import pytest

from realtime import ops
from realtime.background.plate import GUESSED
from realtime.edits import Erase
from realtime.eraser import Eraser
from realtime.rehearsal import Rehearsal
from realtime.segment import Segmenter
from realtime.selection import Box, Selection
from realtime.settings import Settings
from tests.background import test_parallax as parallax
from tests.realtime.fakes import LateEngine, PaintingFiller, RedEngine, colour_segmenter
from tests.realtime.pictures import disc, frame, look, psnr, put, texture

HEIGHT, WIDTH, FRAMES = 120, 212, 16
WORLD = (texture(300, 500) * 0.6 + 60).astype(np.uint8)
ROUNDING = 2  # grey levels: of the sample, of the plate and of the composite
LARGEST = 4  # of all pixels of these clips
ASTRAY = 0.001  # share of the pixels that may differ by more, where a mask decided otherwise on its threshold


def camera(kind, index):
    if kind == "still":
        return ops.translation(-150, -90)
    if kind == "pan":
        return ops.translation(-60 - 4 * index, -90)
    sway = np.array([[1, 0.004 * np.sin(index), 0], [-0.004 * np.sin(index), 1, 0], [0, 0, 1]])
    return ops.translation(-150 + 3 * np.sin(index * 0.7), -90 + 2 * np.cos(index * 0.9)) @ sway


def clip(kind):
    """Frames of somebody who walks through with his shadow, and his masks."""
    for index in range(FRAMES):
        picture = look(WORLD, camera(kind, index), HEIGHT, WIDTH)
        if kind == "still":
            picture = np.clip(picture * (1 + 0.06 * np.sin(index / 3)), 0, 255).astype(np.uint8)
        body, shadow = disc(HEIGHT, WIDTH, 40 + 8 * index, 60, 17), disc(HEIGHT, WIDTH, 48 + 8 * index, 75, 11)
        picture = np.where(shadow[..., None] > 0, (picture * 0.72).astype(np.uint8), picture)
        yield frame(put(picture, body), index), body


def eraser(masks, home):
    segmenter = Segmenter(RedEngine()) if masks == "network" else None
    chosen = Selection(classes=("person",) if segmenter else (), keep=(Box(0, 0, 30, 20),))
    return Eraser(segmenter, PaintingFiller(), chosen, Settings(segment_interval=0.0), home=home)


def run(core, kind, masks, lookahead=0):
    waiting = []
    for one, mask in clip(kind):
        waiting.append(core.observe(one, mask if masks == "given" else None))
        if len(waiting) > lookahead:
            yield core.render(waiting.pop(0))
    yield from map(core.render, waiting)


def held_against(cpu, gpu):
    """Two runs of the same frames, one after the other; the largest difference of any pixel."""
    largest = 0
    for expected, result in zip(cpu, gpu, strict=True):
        difference = np.abs(expected.image.astype(int) - result.image).max(2)
        assert np.mean(difference > ROUNDING) <= ASTRAY
        assert np.mean(expected.hole != result.hole) <= ASTRAY
        assert np.mean(expected.trust != result.trust) <= ASTRAY
        assert np.abs(expected.alpha.astype(int) - result.alpha).max() <= 255 * (expected.hole != result.hole).any() + 1
        assert (result.image[result.alpha == 0] == result.frame.image[result.alpha == 0]).all()
        assert result.roi == expected.roi
        largest = max(largest, difference.max())
    return largest


@pytest.mark.parametrize(
    ("kind", "masks", "lookahead"),
    [
        ("still", "network", 5),
        ("still", "given", 0),
        ("hand", "network", 0),
        ("hand", "given", 5),
        ("pan", "network", 0),
    ],
)
def test_both_ways_give_the_same(device, kind, masks, lookahead):
    cpu, gpu = eraser(masks, ops.HOST), eraser(masks, device)
    assert held_against(run(cpu, kind, masks, lookahead), run(gpu, kind, masks, lookahead)) <= LARGEST
    assert cpu.stats.fills == gpu.stats.fills
    assert abs(cpu.stats.coverage - gpu.stats.coverage) < 0.001


def test_near_and_far_backgrounds_have_a_plate_each_on_a_device(device):
    """Which of the two is the main one hangs on a hair, so that the pictures may differ from the CPU's."""
    core = Eraser(None, PaintingFiller(), Selection(classes=()), Settings(dilate=2), home=device)
    for index in range(22):
        mask, truth = disc(parallax.HEIGHT, parallax.WIDTH, 30 + 5 * index, 100, 28), parallax.background(index, 2.0)
        result = core.step(frame(put(truth, mask), index), mask)
    assert core.stats.parallax > 10
    assert psnr(result.image, truth, mask) > 22


def test_a_background_that_sways_gives_the_same(device):
    def swaying(home):
        core = Eraser(None, PaintingFiller(), Selection(classes=()), home=home)
        for index in range(24):
            water = look(WORLD, ops.translation(-150 + 4 * np.sin(index / 2), -90), HEIGHT, WIDTH)
            picture = np.where(
                disc(HEIGHT, WIDTH, 130, 60, 45)[..., None] > 0, water, WORLD[90 : 90 + HEIGHT, 5 : 5 + WIDTH]
            )
            mask = disc(HEIGHT, WIDTH, 40 + 5 * index, 60, 17)
            waiting = core.observe(frame(put(picture, mask), index), mask)
            renewed.append(waiting.finding.renewed is not None)
            yield core.render(waiting)

    renewed: list = []
    held_against(swaying(ops.HOST), swaying(device))
    assert any(renewed)


def test_somebody_who_stands_still_is_shown_the_same_behind_an_object_that_passes(device):
    def passing(home):
        core = Eraser(colour_segmenter(), PaintingFiller(), Selection(classes=()), home=home)
        core.edit(Erase(20, 60))
        for index in range(20):
            picture = put(look(WORLD, camera("hand", index), HEIGHT, WIDTH), disc(HEIGHT, WIDTH, 120, 66, 16))
            result = core.step(frame(put(picture, disc(HEIGHT, WIDTH, 20 + 6 * index, 60, 14), (230, 30, 20)), index))
            told.append(result.trust)
            yield result

    told: list = []
    held_against(passing(ops.HOST), passing(device))
    assert (told[-1] == GUESSED).sum() > 300


class DeviceEngine(RedEngine):
    """An engine with a stream of its own, which reads its input from the device and leaves its answer there."""

    device, runtime = "cuda", "tensorrt"

    def __init__(self, home):
        super().__init__()
        self._home = home

    def takes(self, shapes):
        return set(shapes) == {"image"}

    def run(self, image):
        facts = image.__cuda_array_interface__
        assert (facts["strides"], facts["stream"]) == (None, self._home.stream)
        self._home.driver.wait()  # as its stream would wait for the eraser's
        there = (ctypes.c_float * int(np.prod(facts["shape"]))).from_address(facts["data"][0])
        outputs = super().run(np.frombuffer(there, np.float32).reshape(facts["shape"]))
        return {name: SimpleNamespace(__cuda_array_interface__=self._facts(array)) for name, array in outputs.items()}

    def _facts(self, array):
        self._answer = np.ascontiguousarray(array)
        address = self._answer.ctypes.data
        return {"shape": array.shape, "typestr": "<f4", "data": (address, False), "stream": 99, "version": 3}


def test_an_engine_that_reads_device_arrays_gets_the_uploaded_frame(device):
    chosen = Selection(keep=(Box(0, 0, 30, 20),))
    gpu = Eraser(Segmenter(DeviceEngine(device)), PaintingFiller(), chosen, Settings(segment_interval=0.0), home=device)
    held_against(run(eraser("network", ops.HOST), "hand", "network"), run(gpu, "hand", "network"))
    pictures = [nbytes for nbytes in device.driver.copies_in if nbytes == HEIGHT * WIDTH * 3]
    assert (
        len(pictures) == 3 * FRAMES
    )  # at this size a view, and the plate as it shows there, are as large as the frame
    assert device.driver.calls["wait_for"] == FRAMES


def stepped(device, segmenter, ahead):
    """The pictures of a clip, each frame announced while the one before is erased or not at all; and the waits of each
    frame that needs no fill. segmenter: leaves its mattes on the device.
    """
    core = Eraser(segmenter, PaintingFiller(), settings=Settings(segment_interval=0.0), home=device)
    frames = [one for one, _ in clip("hand")]
    pictures, waits = [], []
    for index, one in enumerate(frames):
        for announced in frames[index : index + 2] if ahead else ():
            core.announce(announced)
        before, fills = device.waits, core.stats.fills
        pictures.append(core.step(one).image)
        if core.stats.fills == fills:
            waits.append(device.waits - before)
    return pictures, waits


def test_mattes_that_an_engine_leaves_on_the_device_are_waited_for_where_it_is_not_done_in_time(device):
    _, waits = stepped(device, Segmenter(DeviceEngine(device)), ahead=False)
    assert set(waits[-8:]) == {2}  # for the mattes, since the CPU tells the objects apart, and for the picture
    device.driver.fast = True  # the network is done before the CPU has looked at the camera's motion
    _, waits = stepped(device, Segmenter(DeviceEngine(device)), ahead=False)
    assert set(waits[-8:]) == {1}


def test_the_mattes_of_an_announced_frame_come_with_the_picture_before_it(device):
    segmenter = Segmenter(DeviceEngine(device))
    pictures, waits = stepped(device, segmenter, ahead=True)
    assert set(waits[-8:]) == {1}
    assert len(segmenter.engine.sizes) == FRAMES
    for one, other in zip(pictures, stepped(device, segmenter, ahead=False)[0], strict=True):
        assert np.array_equal(one, other)


def counted(device, kind):
    """How often the device was waited for in each frame that needs no fill, and asked for memory until then."""
    core = eraser("given", device)
    seen_before = [(frame(look(WORLD, camera(kind, index), HEIGHT, WIDTH), index), None) for index in range(4)]
    for one, mask in [*seen_before, *clip(kind)]:
        waits, fills = device.waits, core.stats.fills
        core.step(one, mask)
        if core.stats.fills == fills:
            yield device.waits - waits, device.memory.allocations + device.pinned.allocations


@pytest.mark.parametrize("kind", ["still", "hand"])
def test_a_frame_waits_for_the_device_once_and_asks_for_no_memory(device, kind):
    waits, allocations = zip(*list(counted(device, kind))[-10:], strict=True)
    assert set(waits) == {1}  # for the picture
    assert len(set(allocations)) == 1


def test_a_frame_without_a_hole_waits_once_to_know_that(device):
    core = eraser("given", device)
    for index in range(5):
        waits = device.waits
        result = core.step(frame(WORLD[:HEIGHT, :WIDTH], index), np.zeros((HEIGHT, WIDTH), np.uint8))
        assert result.image is result.frame.image
        assert device.waits - waits <= 1 + (index == 0)


def test_a_hole_that_jumps_or_goes_is_waited_for_once_more_and_shown_as_it_is(device):
    def jumping(home):
        core = eraser("given", home)
        for index, x in enumerate([None, None, None, 50, 54, 58, 62, 66, 150, 154, 158, None, 70, 74]):
            body = np.zeros((HEIGHT, WIDTH), np.uint8) if x is None else disc(HEIGHT, WIDTH, x, 60, 17)
            waits, fills = home.waits, core.stats.fills
            result = core.step(frame(put(WORLD[:HEIGHT, :WIDTH], body), index), body)
            if home is device and core.stats.fills == fills:
                waited.append((x, home.waits - waits))
            yield result

    waited: list = []
    held_against(jumping(ops.HOST), jumping(device))
    assert waited[5:] == [(58, 1), (62, 1), (66, 1), (150, 2), (154, 1), (158, 1), (None, 1), (70, 2), (74, 2)]


def test_somebody_who_was_found_late_is_erased_the_same(device):
    def late(home, lookahead):
        core = eraser("network", home)
        core.segmenter.engine.run = LateEngine(6).run
        return list(run(core, "still", "network", lookahead))

    results = late(device, 6)
    held_against(late(ops.HOST, 6), results)
    erased = [bool(result.hole.any()) for result in results]
    assert erased != [bool(result.hole.any()) for result in late(device, 0)]


def test_two_passes_give_the_same(device, tmp_path):
    def passes(home, folder):
        folder.mkdir()
        rehearsal, first, second = Rehearsal(folder), eraser("network", home), eraser("network", home)
        for one, _ in clip("hand"):
            rehearsal.watch(first, one)
        rehearsal.end()
        for one, _ in clip("hand"):
            yield second.render(rehearsal.replay(second, one))

    held_against(passes(ops.HOST, tmp_path / "cpu"), passes(device, tmp_path / "gpu"))


def test_a_deferred_fill_gives_the_same(device):
    def deferred(home):
        core = eraser("given", home)
        jobs: list = []
        core._defer = jobs.append
        for result in run(core, "hand", "given"):
            yield result
            if jobs and result.frame.index % 3 == 2:
                core.filled(jobs[0], core.filler.fill(jobs[0].image, jobs.pop(0).mask))

    held_against(deferred(ops.HOST), deferred(device))


def test_a_plate_that_was_saved_or_resized_gives_the_same(device, tmp_path):
    def other_size(home):
        core, again = eraser("given", home), eraser("given", home)
        yield from list(run(core, "pan", "given"))[-1:]
        core.save_plate(tmp_path / f"{home.name[:3]}.npz")
        again.load_plate(tmp_path / f"{home.name[:3]}.npz", (HEIGHT // 2, WIDTH // 2))
        for one, mask in clip("pan"):
            small = frame(one.image[::2, ::2], one.index)
            yield again.step(small, np.ascontiguousarray(mask[::2, ::2]))
            if one.index == 3:
                yield again.backdrop(again.step(small))
                break
        again.learn_clean(frame(WORLD[:HEIGHT, :WIDTH], 9))
        yield again.step(frame(WORLD[:HEIGHT, :WIDTH], 10), disc(HEIGHT, WIDTH, 90, 60, 20))

    held_against(other_size(ops.HOST), other_size(device))
