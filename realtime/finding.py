"""What a frame shows, worked out once: what to erase, where the camera looks, what the plate may learn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from realtime import ops
from realtime.background.exposure import Exposure
from realtime.background.parallax import Second
from realtime.ops import Home
from realtime.tracking.rearrange import Displaced
from realtime.tracking.things import Thing


@dataclass(frozen=True)
class Finding:
    """What `Eraser.find` works out of a frame, and `Eraser.learn` takes.

    cut: a shot begins with this frame; between: it lies between two shots, or is blank, and no plate may learn from it.
    motion: 3x3, anchor -> frame pixels; anchored: the plate is to move to this frame. exposure: of the frame relative
    to the plate. mask: (H, W) uint8, 255 = erase; keep: (H, W) uint8, 255 on what must stay though it touches the mask.
    changed: (h, w) uint8, 255 where the frame shows other background than the plate; foreign: 255 on what is neither
    erased nor background; standing: 255 where that stands still; imprint: 255 where the plate holds what is erased from
    this frame on; overlooked: 255 where it holds what should have been erased before; of any size, None where there is
    nothing. patience: frames in a row before the plate believes what the mask leaves free. displaced: objects to be
    drawn elsewhere; things, fault: as in `realtime.result.Result`.
    second: of a background at two distances, what lies at the other; renewed: (h, w) uint8, as in `Evidence`, None
    where nothing is; found: (h, w) uint8, 255 on the objects that were found, None where masks come from outside; ago,
    leaps: (h, w) uint8, as those of `Restless`; these three are not stored.
    """

    cut: bool
    motion: np.ndarray
    anchored: bool
    exposure: Exposure
    mask: np.ndarray
    keep: np.ndarray | None
    changed: np.ndarray
    foreign: np.ndarray | None
    standing: np.ndarray | None
    imprint: np.ndarray | None
    patience: int
    displaced: list[Displaced]
    things: tuple[Thing, ...] = ()
    fault: str | None = None
    overlooked: np.ndarray | None = None
    between: bool = False
    second: Second | None = None
    renewed: np.ndarray | None = None
    found: np.ndarray | None = None
    ago: np.ndarray | None = None
    leaps: np.ndarray | None = None

    def fetched(self, home: Home) -> Finding:
        """The same with all its pictures as NumPy arrays."""
        keep = [] if self.keep is None else [self.keep]
        mask, changed, *keep = home.fetch(self.mask, self.changed, *keep)
        return replace(self, mask=mask, changed=changed, keep=keep[0] if keep else None)

    def and_mask(self, more: np.ndarray, home: Home) -> Finding:
        """The same with a smaller mask, (h, w) uint8, added to its own, which is at `home`."""
        enlarged = ops.at_least(ops.resize(home.sent(more), (self.mask.shape[0], self.mask.shape[1])), 128)
        return replace(self, mask=self.mask | enlarged)

    def arrays(self) -> dict[str, np.ndarray]:
        """All but `things`, `found`, `ago` and `leaps`, of no use later, to be stored; it must have been `fetched`."""
        record = {
            "flags": np.array([self.cut, self.anchored, self.patience, self.between]),
            "motion": self.motion,
            "exposure": np.stack([self.exposure.gain, self.exposure.offset]),
            "mask": self.mask,
            "changed": self.changed,
        }
        record |= {name: array for name in _OPTIONAL if (array := getattr(self, name)) is not None}
        if self.fault is not None:
            record["fault"] = np.frombuffer(self.fault.encode(), np.uint8)
        if self.second is not None:
            record |= self.second.arrays()
        for number, one in enumerate(self.displaced):
            record |= {f"matte{number}": one.matte, f"by{number}": np.array([one.dx, one.dy])}
        return record

    @classmethod
    def restored(cls, record: Mapping[str, np.ndarray]) -> Finding:
        """The finding that gave these arrays."""
        cut, anchored, patience, between = record["flags"].tolist()
        mattes = (name for name in record if name.startswith("matte"))
        return cls(
            cut=bool(cut),
            motion=record["motion"],
            anchored=bool(anchored),
            exposure=Exposure(*record["exposure"]),
            mask=record["mask"],
            keep=record.get("keep"),
            changed=record["changed"],
            foreign=record.get("foreign"),
            standing=record.get("standing"),
            imprint=record.get("imprint"),
            patience=patience,
            displaced=[Displaced(record[name], *record[name.replace("matte", "by")].tolist()) for name in mattes],
            fault=record["fault"].tobytes().decode() if "fault" in record else None,
            overlooked=record.get("overlooked"),
            between=bool(between),
            second=Second.restored(record),
            renewed=record.get("renewed"),
        )


_OPTIONAL = "keep", "foreign", "standing", "imprint", "overlooked", "renewed"
