"""Where one job's results go: the video itself and, where they are asked for, a preview and the masks."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from realtime.errors import EraserError, UsageError
from realtime.media.image_source import replaced
from realtime.media.opening import open_picture_sink, open_sink
from realtime.media.source import local_path
from realtime.media.video_source import VideoSource
from realtime.preview import preview_size, side_by_side

if TYPE_CHECKING:
    from types import TracebackType

    from realtime.batch.part import Part
    from realtime.media.sink import PictureSink, Sink
    from realtime.media.source import Source
    from realtime.result import Result


def check_paths(
    inputs: Iterable[str | Path | None],
    outputs: Iterable[str | Path | None],
    overwrite: bool,
    report: str | Path | None = None,
) -> None:
    """Refuse outputs that would destroy something, and a report that can't be one, before any work is done."""
    given = [local_path(path) for path in inputs if path is not None]
    taken = {Path(path).resolve(): "an input" for path in given}
    if report is not None and Path(report).is_dir():
        raise EraserError(f"{report} is a folder: give the report a file's name")
    for path in (*outputs, report):
        if path is None:
            continue
        target = Path(path)
        if target.resolve() in taken:
            raise UsageError(f"{path} is {taken[target.resolve()]} of this job too: give the output another name")
        taken[target.resolve()] = "another output"
        file = replaced(str(path), given)
        if file is not None:
            raise UsageError(f"{path} would replace {file}, an input of this job: give the output another name")
        if not target.parent.is_dir():
            raise EraserError(f"{target.parent} is not a folder: make it first, or put {target.name} elsewhere")
        if target.is_file() and not overwrite:
            raise EraserError(f"{path} exists: give another name, or --overwrite (overwrite=True) to replace it")


class Outputs:
    """The sinks of a job.

    Used by the writer's thread while it runs, before and after by the caller's. As a context manager it aborts what was
    not finished.
    """

    def __init__(self, source: Source, overwrite: bool) -> None:
        self._source = source
        self._overwrite = overwrite
        self._main: Sink | None = None
        self._preview: PictureSink | None = None
        self._masks: PictureSink | None = None

    def open_main(self, path: str | Path, codec: str | None, crf: float | None, part: Part | None = None) -> None:
        if part is not None:
            assert isinstance(self._source, VideoSource), "only these have parts"
            self._main = part.open_sink(str(path), self._source, codec, crf)
            return
        self._main = open_sink(str(path), self._source, codec=codec, crf=crf, overwrite=self._overwrite)

    def open_preview(self, path: str | Path) -> None:
        info = self._source.info
        height, width = preview_size(info.height, info.width)
        self._preview = self._open_pictures(path, height, width)

    def open_masks(self, path: str | Path) -> None:
        self._masks = self._open_pictures(path, self._source.info.height, self._source.info.width)

    def _open_pictures(self, path: str | Path, height: int, width: int) -> PictureSink:
        return open_picture_sink(str(path), width, height, self._source, overwrite=self._overwrite)

    @property
    def _sinks(self) -> list[Sink]:
        """The main one last: when another cannot be moved into place, there is no main output either."""
        return [sink for sink in (self._preview, self._masks, self._main) if sink is not None]

    @property
    def notes(self) -> list[str]:
        return [note for sink in self._sinks for note in sink.notes]

    def write(self, result: Result) -> None:
        assert self._main is not None, "open_main comes first"
        self._main.write(result)
        frame = result.frame
        if self._preview is not None:
            picture = side_by_side(frame.image, result.hole, result.image)
            self._preview.write_image(picture, frame.index, frame.pts, frame.time_base)
        if self._masks is not None:
            self._masks.write_image(result.hole, frame.index, frame.pts, frame.time_base)

    def finish(self) -> None:
        """Move all of them into place, or none where one cannot be completed."""
        for sink in self._sinks:
            sink.complete()
        for sink in self._sinks:
            sink.commit()

    def __enter__(self) -> Outputs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with ExitStack() as stack:  # every one is aborted, even where another one's abort fails
            for sink in self._sinks:
                stack.callback(sink.abort)
