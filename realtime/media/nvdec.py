"""Video that a GPU decodes (NVDEC), where it gives the very pictures that the CPU gives.

    source = open_on_gpu("in.mp4")  # its notes say who decodes

The first frame is decoded by both and compared: samples, time, rotation, colour tags, field order and side data such as
HDR metadata. Where anything differs, or no GPU can decode the video, it is the CPU's source that is given.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import av
import numpy as np
from av.codec.hwaccel import HWAccel
from av.packet import Packet
from av.sidedata.sidedata import SideData

from engines.gpu import find_gpus
from realtime.errors import EraserError
from realtime.media.planes import as_format, plane_arrays
from realtime.media.source import passes_once
from realtime.media.video_source import VideoSource

_PROPERTIES = {
    "size": ("width", "height"),
    "time": ("pts",),
    "rotation": ("rotation",),
    "field order": ("interlaced_frame",),
    "colour tags": ("colorspace", "color_range", "color_trc", "color_primaries"),
}
_REMARKS = "SEI_UNREGISTERED"  # what an encoder says about itself


class GpuSource(VideoSource):
    """A `VideoSource` whose frames come from the GPU, in the pixel format in which the CPU would give them."""

    def __init__(self, path: str, pixel_format: str, *, start: float | None = None, end: float | None = None) -> None:
        """pixel_format: the CPU's. Raises EraserError also where no GPU can be used."""
        self._format = pixel_format
        super().__init__(path, start=start, end=end)

    @property
    def on_gpu(self) -> bool:
        """Whether the GPU does decode, after the first frame: FFmpeg takes the CPU for what a GPU can't."""
        return self.stream.codec_context.pix_fmt == "cuda"

    def _hwaccel(self) -> HWAccel | None:
        return HWAccel("cuda")

    def _decoded(self, packet: Packet | None) -> list[av.VideoFrame]:
        return [rearranged(frame, self._format) for frame in super()._decoded(packet)]


def open_on_gpu(path: str, *, start: float | None = None, end: float | None = None) -> VideoSource:
    """A video's source, decoded by a GPU where nothing is lost by it; a note says who decodes, and why not the GPU.

    start, end: as `realtime.media.opening.open_source` takes them. Raises EraserError where there is nothing to read.
    """
    source = VideoSource(path, start=start, end=end)
    try:
        gpu, why = _compared(source, path, start, end)
    except BaseException:
        source.close()
        raise
    if gpu is not None:
        source.close()
        gpu.notes.append("The GPU decodes the video (NVDEC).")
        return gpu
    source.notes.append(f"The CPU decodes the video: {why}.")
    return source


def _compared(source: VideoSource, path: str, start: float | None, end: float | None) -> tuple[GpuSource | None, str]:
    """The GPU's source, if it gives what the CPU's does; else why not."""
    if lack := find_gpus().lack:
        return None, lack
    if passes_once(path):
        return None, "what the GPU gives can't be checked on an input that passes only once"
    try:
        gpu = GpuSource(path, source.first.format.name, start=start, end=end)
    except EraserError as error:
        return None, f"the GPU can't ({getattr(error.__cause__, 'strerror', None) or error})"
    if not gpu.on_gpu:
        why = f"the GPU does not take {source.info.codec} as it is in this file"
    elif lost := difference(gpu.first, source.first):
        why = f"the GPU's pictures differ in {lost}"
    else:
        return gpu, ""
    gpu.close()
    return None, why


def rearranged(frame: av.VideoFrame, pixel_format: str) -> av.VideoFrame:
    """The frame's samples in another pixel format, its tags as they were: those that are not told stay so."""
    result = as_format(frame, pixel_format)
    result.colorspace, result.color_range = frame.colorspace, frame.color_range
    return result


def difference(frame: av.VideoFrame, expected: av.VideoFrame) -> str:
    """What of a frame is not as expected, in words; empty where nothing is."""
    for what, names in _PROPERTIES.items():
        if any(getattr(frame, name, None) != getattr(expected, name, None) for name in names):
            return what
    given = _side_data(frame)
    for name, content in _side_data(expected):
        if name != _REMARKS and (name, content) not in given:
            return name.lower().replace("_", " ")
    if frame.format.name != expected.format.name:
        return "pixel format"
    planes = zip(plane_arrays(frame), plane_arrays(expected), strict=True)
    return "" if all(np.array_equal(one, other) for one, other in planes) else "samples"


def _side_data(frame: av.VideoFrame) -> list[tuple[str, bytes]]:
    return [(item.type.name, bytes(item)) for item in cast("Iterable[SideData]", frame.side_data)]
