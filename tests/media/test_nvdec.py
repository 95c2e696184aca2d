"""A GPU decodes where it gives the very pictures that the CPU gives; else the CPU does, and the report says why.

There need be no GPU: a stand-in gives frames as NVDEC does, chroma side by side. What only a GPU shows is marked `gpu`.
"""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from engines.gpu import Gpu, Gpus, find_gpus
from realtime.media import nvdec
from realtime.media.nvdec import GpuSource, open_on_gpu, rearranged
from realtime.media.opening import open_source
from realtime.media.planes import plane_arrays
from realtime.media.video_source import VideoSource
from tests.media.clips import Clip, convert, hdr_clip, shown

AS_DECODED = {"yuv420p": "nv12", "yuvj420p": "nv12", "yuv420p10le": "p010le"}
TAGS = {"color_primaries": 9, "color_trc": 16, "colorspace": 9, "color_range": 1}
CLIPS = {
    "plain": Clip(),
    "full range": Clip(pixel_format="yuvj420p", context={"color_range": 2}),
    "turned": Clip(rotation=90),
    "tagged": Clip(context=TAGS),
    "interlaced": Clip(options={"x264-params": "tff=1"}),
    "HDR": hdr_clip(),
}


class StandIn(GpuSource):
    """Frames as a GPU gives them. drops: what is lost of each frame on the way from the GPU."""

    drops = ""
    on_gpu = True  # type: ignore[assignment]

    def _hwaccel(self) -> None:
        return None

    def _decoded(self, packet: av.Packet | None) -> list[av.VideoFrame]:
        frames = [rearranged(frame, AS_DECODED[frame.format.name]) for frame in VideoSource._decoded(self, packet)]
        return [rearranged(self._damaged(frame), self._format) for frame in frames]

    def _damaged(self, frame: av.VideoFrame) -> av.VideoFrame:
        if self.drops.startswith("all but"):  # without tags as PyAV did before version 18.1
            bare = av.VideoFrame(frame.width, frame.height, frame.format.name)
            for target, plane in zip(plane_arrays(bare), plane_arrays(frame), strict=True):
                target[...] = plane
            bare.pts, bare.time_base = frame.pts, frame.time_base
            for name in TAGS if "tags" in self.drops else ():
                setattr(bare, name, getattr(frame, name))
            return bare
        if self.drops == "a sample":
            plane_arrays(frame)[1][3, 4, 1] ^= 1
        if self.drops == "the time":
            frame.pts = (frame.pts or 0) + 1
        return frame


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> type[StandIn]:
    made = type("Made", (StandIn,), {})
    monkeypatch.setattr(nvdec, "GpuSource", made)
    monkeypatch.setattr(nvdec, "find_gpus", lambda: Gpus((Gpu("Test GPU", (8, 9), 8 << 30),), (13, 0), ""))
    return made


@pytest.mark.parametrize("name", CLIPS)
def test_what_the_gpu_decodes_is_what_the_cpu_decodes(tmp_path: Path, gpu: type[StandIn], name: str) -> None:
    path = CLIPS[name].write(tmp_path / "in.mp4")
    with open_source(path, hwaccel=True) as ours, open_source(path) as theirs:
        assert isinstance(ours, StandIn)
        assert ours.notes == [*theirs.notes, "The GPU decodes the video (NVDEC)."]
        assert (ours.info, ours.shift) == (theirs.info, theirs.shift)
        for one, other in zip(ours, theirs, strict=True):
            assert one.native is not None
            assert other.native is not None
            assert not nvdec.difference(one.native, other.native)
            np.testing.assert_array_equal(one.image, other.image)
            assert (one.index, one.pts, one.rotation) == (other.index, other.pts, other.rotation)


def test_a_part_is_decoded_by_the_gpu_too(tmp_path: Path, gpu: type[StandIn]) -> None:
    path = Clip(frames=20).write(tmp_path / "in.mp4")
    parts = []
    for hwaccel in (True, False):
        with open_source(path, start=0.2, end=0.6, hwaccel=hwaccel) as source:
            parts.append([(frame.index, frame.pts) for frame in source])
    assert parts[0] == parts[1]
    assert len(parts[0]) == 10


@pytest.mark.parametrize(
    ("name", "drops", "lost"),
    [
        ("turned", "all but samples and times", "rotation"),
        ("interlaced", "all but samples and times", "field order"),
        ("tagged", "all but samples and times", "colour tags"),
        ("HDR", "all but samples, times and tags", "mastering display metadata"),
        ("plain", "a sample", "samples"),
        ("plain", "the time", "time"),
    ],
)
def test_where_something_is_lost_the_cpu_decodes_and_it_is_said_what(
    tmp_path: Path, gpu: type[StandIn], name: str, drops: str, lost: str
) -> None:
    gpu.drops = drops
    path = CLIPS[name].write(tmp_path / "in.mp4")
    with open_source(path, hwaccel=True) as source:
        assert not isinstance(source, GpuSource)
        assert source.notes[-1] == f"The CPU decodes the video: the GPU's pictures differ in {lost}."
        assert len(list(source)) == len(shown(path))


def test_a_codec_that_the_gpu_does_not_take_is_decoded_by_the_cpu(tmp_path: Path, gpu: type[StandIn]) -> None:
    gpu.on_gpu = False  # type: ignore[assignment]
    with open_on_gpu(Clip().write(tmp_path / "in.mp4")) as source:
        assert source.notes == ["The CPU decodes the video: the GPU does not take h264 as it is in this file."]


@pytest.mark.skipif(bool(find_gpus().devices), reason="there is a GPU here")
def test_without_a_gpu_the_cpu_decodes(tmp_path: Path) -> None:
    path = Clip().write(tmp_path / "in.mp4")
    with open_on_gpu(path) as source:
        assert source.notes == [f"The CPU decodes the video: {find_gpus().lack}."]
        assert len(list(source)) == len(shown(path))


@pytest.mark.skipif(bool(find_gpus().devices), reason="there is a GPU here")
def test_where_ffmpeg_can_not_use_the_gpu_the_cpu_decodes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nvdec, "find_gpus", lambda: Gpus((), (13, 0), ""))
    path = Clip().write(tmp_path / "in.mp4")
    with open_on_gpu(path) as source:
        assert source.notes[0].startswith("The CPU decodes the video: the GPU can't (")
        assert len(list(source)) == len(shown(path))


def test_the_output_is_the_same_whoever_decodes(tmp_path: Path, gpu: type[StandIn]) -> None:
    path = CLIPS["HDR"].write(tmp_path / "in.mp4")
    notes, _ = convert(path, tmp_path / "gpu.mkv", codec="ffv1", hwaccel=True)
    assert "The GPU decodes the video (NVDEC)." in notes
    convert(path, tmp_path / "cpu.mkv", codec="ffv1")
    for one, other in zip(shown(tmp_path / "gpu.mkv"), shown(tmp_path / "cpu.mkv"), strict=True):
        assert not nvdec.difference(one.frame, other.frame)


@pytest.mark.gpu
@pytest.mark.parametrize("name", CLIPS)
def test_on_a_gpu_every_frame_is_the_cpus(tmp_path: Path, name: str) -> None:
    path = CLIPS[name].write(tmp_path / "in.mp4")
    with open_source(path, hwaccel=True) as ours, open_source(path) as theirs:
        if not isinstance(ours, GpuSource):
            pytest.skip(ours.notes[-1])
        for one, other in zip(ours, theirs, strict=True):
            assert one.native is not None
            assert other.native is not None
            assert not nvdec.difference(one.native, other.native)
