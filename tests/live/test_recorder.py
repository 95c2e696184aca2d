"""Recordings: their times, what is left of them after a fault, names that are taken."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.errors import EraserError, UsageError
from realtime.live.microphone import RATE, Microphone, Sound, SoundTrack
from realtime.live.recorder import _CONTAINERS, Recorder, next_free
from realtime.live.recording import Recording
from tests.cli import media
from tests.cli.command import environment
from tests.live.fakes import NEVER, until

CONTAINERS = ["out.mp4", "out.mkv"]
SIGHT = media.pictures(30)

RECORD = """
import sys, time
from realtime.live.recorder import Recorder
from tests.cli import media
recorder = Recorder(sys.argv[1], 30)
pictures = media.pictures(30, 240, 320)
for index in range(100000):
    try:
        recorder.write(pictures[index % 30], index / 30)
    except Exception as error:
        print(error, flush=True)
        recorder.finish()
        break
    if index == 200:
        print("running", flush=True)
    if len(sys.argv) > 2:
        time.sleep(0.002)
"""


def times(path: Path) -> list[float]:
    """Presentation times of the pictures, seconds; like a player, it stops where the last one is cut off."""
    found: list[float] = []
    with av.open(str(path)) as container, suppress(av.error.InvalidDataError):
        found.extend(float(frame.time) for frame in container.decode(video=0))
    return found


@pytest.mark.parametrize("name", CONTAINERS)
def test_pictures_have_the_times_at_which_they_were_captured(tmp_path, name):
    captured = 5000 + np.cumsum([0.0, 0.033, 0.034, 0.1, 0.033, 1.5, 0.02, 0.0333])
    recorder = Recorder(str(tmp_path / name), 30)
    for picture, time_ in zip(SIGHT, captured, strict=False):
        recorder.write(picture, time_)
    recorder.finish()
    assert times(tmp_path / name) == pytest.approx(captured - captured[0], abs=0.0011)
    assert recorder.seconds == pytest.approx(captured[-1] - captured[0])
    read = media.read_video(tmp_path / name)
    assert all(media.difference(a, b) < 6 for a, b in zip(read, SIGHT, strict=False))


def test_pictures_of_another_size_are_fitted_into_the_first_ones(tmp_path):
    recorder = Recorder(str(tmp_path / "out.mp4"), 30)
    recorder.write(np.full((96, 128, 3), 90, np.uint8), 0.0)
    recorder.write(np.full((200, 100, 3), 200, np.uint8), 0.1)
    recorder.write(np.full((97, 129, 3), 90, np.uint8), 0.2)
    recorder.finish()
    first, fitted, odd = media.read_video(tmp_path / "out.mp4")
    assert first.shape == fitted.shape == (96, 128, 3)
    assert fitted[48, 64].mean() == pytest.approx(200, abs=4)
    assert fitted[48, 5].mean() < 10
    assert odd.mean() == pytest.approx(90, abs=3)


def test_a_recording_that_exists_is_only_replaced_when_asked(tmp_path):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"precious")
    with pytest.raises(EraserError, match="--overwrite"):
        Recorder(str(path), 30)
    assert path.read_bytes() == b"precious"
    recorder = Recorder(str(path), 30, overwrite=True)
    recorder.write(SIGHT[0], 0.0)
    recorder.finish()
    assert len(times(path)) == 1


@pytest.mark.parametrize(("name", "complaint"), [("out.avi", ".mp4 or .mkv"), ("nowhere/out.mp4", "no folder")])
def test_a_place_that_cannot_be_recorded_to_is_said_before(tmp_path, name, complaint):
    with pytest.raises(EraserError, match=complaint):
        Recording(str(tmp_path / name), 30)
    assert not any(tmp_path.iterdir())


def test_the_wrong_extension_is_wrong_usage():
    with pytest.raises(UsageError):
        Recording("out.avi", 30)


def test_free_names_are_counted_up(tmp_path):
    path = str(tmp_path / "out.mp4")
    assert next_free(path) == path
    Path(path).touch()
    (tmp_path / "out-2.mp4").touch()
    assert next_free(path) == str(tmp_path / "out-3.mp4")


def test_a_recording_without_pictures_leaves_no_file(tmp_path):
    Recorder(str(tmp_path / "out.mp4"), 30).finish()
    assert not any(tmp_path.iterdir())


def test_a_recording_that_cannot_begin_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setitem(_CONTAINERS, ".mp4", {"movflags": "no such flag"})
    with pytest.raises(EraserError, match="cannot be recorded on"):
        recorder = Recorder(str(tmp_path / "out.mp4"), 30)
        try:
            recorder.write(SIGHT[0], 0.0)
        finally:
            recorder.finish()
    assert not any(tmp_path.iterdir())


def test_a_recording_that_cannot_begin_leaves_an_older_one_as_it_is(tmp_path, monkeypatch):
    path = tmp_path / "out.mp4"
    path.write_bytes(b"precious")

    def fail(*_):
        raise EraserError("no encoder")

    Recorder(str(path), 30, overwrite=True).finish()
    assert path.read_bytes() == b"precious"
    monkeypatch.setattr("realtime.live.recorder.choose_encoder", fail)
    recorder = Recorder(str(path), 30, overwrite=True)
    with pytest.raises(EraserError, match="no encoder"):
        recorder.write(SIGHT[0], 0.0)
    recorder.finish()
    assert path.read_bytes() == b"precious"


@pytest.mark.skipif(os.name == "nt", reason="locks of any size are of POSIX")
def test_a_file_that_is_recorded_to_is_not_replaced_meanwhile(tmp_path):
    path = tmp_path / "out.mp4"
    recorder = Recorder(str(path), 30, overwrite=True)
    for index in range(10):
        recorder.write(SIGHT[index], index / 30)
        with pytest.raises(EraserError, match="recorded to by another program"):
            Recorder(str(path), 30, overwrite=True)
    recorder.finish()
    assert len(times(path)) == 10
    again = Recorder(str(path), 30, overwrite=True)
    again.write(SIGHT[0], 0.0)
    again.finish()
    assert len(times(path)) == 1


def test_where_no_container_can_be_opened_no_file_is_left(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("no muxer")

    monkeypatch.setattr(av, "open", fail)
    with pytest.raises(EraserError, match="no muxer"):
        Recorder(str(tmp_path / "out.mp4"), 30)
    assert not any(tmp_path.iterdir())


@pytest.mark.skipif(os.name == "nt", reason="signals are of POSIX")
@pytest.mark.parametrize("name", CONTAINERS)
def test_a_recording_plays_after_the_program_was_killed(tmp_path, name):
    command = [sys.executable, "-c", RECORD, str(tmp_path / name), "slowly"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment()) as program:
        assert program.stdout.readline() == "running\n"
        program.send_signal(signal.SIGKILL)
        program.wait(NEVER)
    seen = times(tmp_path / name)
    assert len(seen) > 150  # of the 200 that were written at least: a second may be missing
    assert np.diff(seen) == pytest.approx(np.full(len(seen) - 1, 1 / 30), abs=0.0011)


@pytest.mark.skipif(os.name == "nt", reason="limits are of POSIX")
@pytest.mark.parametrize("name", CONTAINERS)
def test_a_full_disk_ends_a_recording_that_still_plays(tmp_path, name):
    limited = f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))\n{RECORD}"
    done = subprocess.run(
        [sys.executable, "-c", limited, str(tmp_path / name)],
        capture_output=True, text=True, env=environment(), timeout=2 * NEVER, check=True,
    )  # fmt: skip
    assert done.stderr == ""
    assert "the disk is full" in done.stdout
    assert len(times(tmp_path / name)) > 60


def run(recording: Recording, pictures: list[tuple[np.ndarray, float]], off: range = range(0)) -> None:
    """Feed pictures as the process thread does; recording is off for those in `off`."""
    thread = threading.Thread(target=recording.run)
    thread.start()
    for index, (image, captured) in enumerate(pictures):
        if index in (off.start, off.stop) and off:
            recording.toggle()
        while len(recording._pictures._items) > 4:  # otherwise some may be left out, as they should
            time.sleep(0.001)
        recording.add(image, captured)
    recording.close()
    thread.join(NEVER)
    assert not thread.is_alive()


def test_each_time_recording_is_turned_on_it_has_a_file_of_its_own(tmp_path):
    recording = Recording(str(tmp_path / "out.mp4"), 30)
    run(recording, [(picture, index / 30) for index, picture in enumerate(SIGHT)], off=range(10, 18))
    assert [Path(name).name for name in recording.files] == ["out.mp4", "out-2.mp4"]
    assert len(times(tmp_path / "out.mp4")) == 10
    assert len(times(tmp_path / "out-2.mp4")) == 12
    assert recording.take_message() == "recorded 0 s in out.mp4"


def test_an_encoder_that_lags_behind_costs_pictures_but_no_time(tmp_path, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(Recorder, "write", lambda self, image, captured: release.wait(NEVER))
    recording = Recording(str(tmp_path / "out.mp4"), 30)
    thread = threading.Thread(target=recording.run)
    thread.start()
    for index in range(40):
        recording.add(SIGHT[0], index / 30)
    assert recording.skipped >= 30
    release.set()
    recording.stop()
    thread.join(NEVER)
    assert not thread.is_alive()


def test_a_recording_that_fails_is_told_and_the_pictures_go_on(tmp_path, monkeypatch):
    def fail(self: Recorder, image: np.ndarray, captured: float) -> None:
        raise EraserError("the disk is full")

    monkeypatch.setattr(Recorder, "write", fail)
    recording = Recording(str(tmp_path / "out.mp4"), 30)
    run(recording, [(picture, index / 30) for index, picture in enumerate(SIGHT)])
    assert recording.take_message() == "recording has stopped: the disk is full"
    assert recording.take_message() is None
    assert recording.failure == "the disk is full"
    assert not recording.useful


def test_a_recording_that_fails_midway_is_not_told_as_recorded(tmp_path, monkeypatch):
    write = Recorder.write

    def fail(self: Recorder, image: np.ndarray, captured: float) -> None:
        if captured > 0.5:
            raise EraserError("the disk is full")
        write(self, image, captured)

    monkeypatch.setattr(Recorder, "write", fail)
    recording = Recording(str(tmp_path / "out.mp4"), 30)
    run(recording, [(picture, index / 30) for index, picture in enumerate(SIGHT)])
    assert recording.take_message() == "recording has stopped: the disk is full"
    assert recording.take_message() is None
    assert len(times(tmp_path / "out.mp4")) == 16


def test_a_recording_whose_encoder_does_not_open_is_not_told_as_recorded(tmp_path, monkeypatch):
    def fail(*_):
        raise EraserError("no encoder")

    monkeypatch.setattr("realtime.live.recorder.choose_encoder", fail)
    recording = Recording(str(tmp_path / "out.mp4"), 30)
    run(recording, [(picture, index / 30) for index, picture in enumerate(SIGHT)])
    assert recording.take_message() == "recording has stopped: no encoder"
    assert recording.take_message() is None
    assert recording.files == []
    assert not any(tmp_path.iterdir())


def test_a_snapshot_is_a_picture_file_of_its_own(tmp_path):
    recording = Recording(None, 30)
    thread = threading.Thread(target=recording.run)
    thread.start()
    for _ in range(2):
        recording.add(SIGHT[3], 0.0, snapshot=str(tmp_path / "shot.png"))
    recording.close()
    thread.join(NEVER)
    assert (media.read_picture(tmp_path / "shot.png") == SIGHT[3]).all()
    assert (tmp_path / "shot-2.png").exists()
    assert recording.take_message() == f"saved {tmp_path / 'shot.png'}"


def test_sound_is_recorded_beside_the_pictures(tmp_path):
    microphone = Microphone("lavfi:sine=frequency=440:sample_rate=44100,arealtime")
    recorder = Recorder(str(tmp_path / "out.mp4"), 30, microphone=microphone)
    begin = time.monotonic()
    while time.monotonic() - begin < 1.5:
        recorder.write(SIGHT[0], time.monotonic())
        time.sleep(0.03)
    recorder.finish()
    seconds = time.monotonic() - begin
    microphone.close()
    with av.open(str(tmp_path / "out.mp4")) as container:
        sound = [frame.to_ndarray() for frame in container.decode(audio=0)]
    samples = np.concatenate([part[0] for part in sound])
    assert recorder.seconds - 0.5 < len(samples) / 48000 < seconds + 0.4
    spectrum = np.abs(np.fft.rfft(samples[4800:]))
    assert spectrum.argmax() / (len(samples) - 4800) * 48000 == pytest.approx(440, abs=3)


CHUNK = 1024 / RATE  # seconds


def lag(path: Path, ends: Iterable[float], arrivals: Iterable[float]) -> list[float]:
    """Seconds by which sound is written too late, after each chunk that ends and arrives at these times."""
    heard: list[Sound] = []

    class Listening(Microphone):
        def __init__(self):
            pass

        def take(self):
            while heard:
                yield heard.pop(0)

    lags = []
    with av.open(str(path), "w") as container:
        track = SoundTrack(container, Listening())
        for end, arrival in zip(ends, arrivals, strict=True):
            frame = av.AudioFrame.from_ndarray(np.zeros((1, 2048), np.int16), format="s16", layout="stereo")
            frame.sample_rate = RATE
            heard.append(Sound(frame, arrival - CHUNK))
            track.packets(0.0)
            assert track._next is not None
            lags.append((track._next + track._fifo.samples) / RATE - end)
    return lags


def test_sound_that_is_read_late_once_is_in_time_again(tmp_path):
    ends = CHUNK * np.arange(1, 500)
    arrivals = np.where((ends > 5) & (ends < 5.4), 5.4, ends)
    assert np.abs(lag(tmp_path / "out.mp4", ends, arrivals)[-100:]).max() < 0.15


def test_sound_that_a_busy_machine_reads_late_and_in_one_go_stays_where_it_was_heard(tmp_path):
    ends = CHUNK * np.arange(1, 500)
    arrivals = np.where((ends > 5) & (ends < 5.6), 5.6, ends)
    assert np.abs(lag(tmp_path / "out.mp4", ends, arrivals)).max() < 0.15


def test_sound_after_some_that_was_lost_is_in_time_again(tmp_path):
    ends = CHUNK * np.arange(1, 500)
    ends += 0.5 * (ends > 5)
    assert np.abs(lag(tmp_path / "out.mp4", ends, ends)[-100:]).max() < 0.15


@pytest.mark.parametrize("pace", [0.99, 1.01])
def test_a_sound_device_with_a_clock_of_its_own_stays_in_time(tmp_path, pace):
    ends = CHUNK + pace * CHUNK * np.arange(1500)
    assert np.abs(lag(tmp_path / "out.mp4", ends, ends)).max() < 0.15


def test_a_microphone_that_has_gone_is_told_once_and_the_pictures_go_on(tmp_path):
    microphone = Microphone("lavfi:sine=duration=0.1")
    until(lambda: microphone.failure)
    recording = Recording(str(tmp_path / "out.mp4"), 30, microphone=microphone)
    run(recording, [(picture, index / 30) for index, picture in enumerate(SIGHT)])
    microphone.close()
    messages = [recording.take_message() for _ in range(2)]
    assert messages == ["lavfi:sine=duration=0.1 has ended: the recording goes on without sound", None]
    assert recording.files == [str(tmp_path / "out.mp4")]
    assert recording.failure is None


def test_a_sound_device_that_is_not_there_is_one_clear_line():
    with pytest.raises(EraserError, match=r"cannot be opened.*leave out --audio") as caught:
        Microphone("lavfi:nonsense")
    assert "\n" not in str(caught.value)
