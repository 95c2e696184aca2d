"""Output files that appear only when they are whole.

Everything is written beside the target, or inside it where it is a folder that exists, under a hidden name; `commit`
renames it into place. A run that fails leaves neither half a file nor a damaged old one.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path

from realtime.errors import EraserError
from realtime.media.temporary import PREFIX, Temporary, place_of


class Target:
    """A file or folder being written.

    output: what the user named.
    temporary: where to write meanwhile; a file that exists and is empty, or an empty folder.
    """

    def __init__(
        self,
        output: str,
        *,
        source_path: str | None,
        overwrite: bool,
        folder: bool = False,
        joins: Callable[[str], bool] | None = None,
    ) -> None:
        """Check that `output` may and can be written, and make the temporary. Raises EraserError where not.

        source_path: the input where it is a file, which must not be overwritten.
        folder: the output is a folder of pictures rather than a file.
        joins: the pictures go into a folder that may hold other files; says of a name whether it is one of theirs.
        """
        self.output = output
        self._final = Path(os.path.realpath(output))
        self._folder = folder
        self._open = False
        _check_free(self._final, output, source_path, overwrite, folder, joins)
        parent = self._final if joins is not None else place_of(self._final)
        if not parent.is_dir():
            raise EraserError(f"There is no folder {parent} to write {self._final.name} into. Create it first.")
        try:
            self._written = Temporary(parent, "" if folder else self._final.suffix, folder=folder)
        except OSError as error:
            raise self.failure(error) from error
        self.temporary = self._written.path
        self._open = True

    def commit(self) -> None:
        """Move what was written into place. Pictures join those of a folder that exists already."""
        try:
            if not self._folder or not self._final.exists():
                self._written.keep(self._final)
            else:
                for path in self.temporary.iterdir():
                    os.replace(path, self._final / path.name)
                self._written.remove()
        except OSError as error:
            raise self.failure(error) from error
        self._open = False

    def discard(self) -> None:
        """Remove what was written; does nothing after `commit`."""
        if self._open:
            self._open = False
            self._written.remove()

    def failure(self, error: Exception) -> EraserError:
        """What to tell the user about an error of the file system or of FFmpeg while writing."""
        number = getattr(error, "errno", None)
        if number in (errno.ENOSPC, errno.EDQUOT):
            return EraserError(
                f"The disk is full: {self.output} was not written. Free some space or write to another disk."
            )
        if number in (errno.EACCES, errno.EPERM, errno.EROFS):
            return EraserError(
                f"The folder {self._final.parent} is not writable, so {self.output} was not written. Choose another."
            )
        reason = (getattr(error, "strerror", None) or str(error)).rstrip(".")
        return EraserError(f"{self.output} could not be written ({reason}). Try another name, folder or --codec.")


def _check_free(
    final: Path,
    output: str,
    source_path: str | None,
    overwrite: bool,
    folder: bool,
    joins: Callable[[str], bool] | None,
) -> None:
    if not os.path.lexists(final):
        return
    mode = final.stat().st_mode
    if folder:
        if not stat.S_ISDIR(mode):
            raise EraserError(f"{output} is a file, and a folder is to be written. Choose another name.")
        names = (name for name in os.listdir(final) if not name.startswith(PREFIX))
        taken = next((name for name in names if joins is None or joins(name)), None)
        if taken is not None and not overwrite:
            raise EraserError(
                f"The folder {output} holds {taken} already. Choose another one or pass --overwrite (overwrite=True)."
            )
        return
    if source_path is not None and os.path.exists(source_path) and os.path.samefile(final, source_path):
        raise EraserError(f"{output} is the input itself. Choose another name for the output.")
    if not stat.S_ISREG(mode):
        raise EraserError(f"{output} is not a regular file. Choose another name for the output.")
    if not overwrite:
        raise EraserError(f"{output} exists already. Choose another name or pass --overwrite (overwrite=True).")
