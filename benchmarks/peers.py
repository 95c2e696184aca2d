"""The segmenters that are compared: ours, and every teacher of the reference data that runs here."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import onnxruntime

from engines.errors import EngineError
from engines.measure import to_network, working_size
from engines.runtime import load_engine
from engines.teach import PERSON, load_tflite
from realtime.segment import centred

LEFT_OUT = {
    "sinet_naver.pth": "a checkpoint without its network's definition; sinet_softmax.onnx is the same network",
    "extremec3_naver.pth": "a checkpoint without its network's definition",
}
_SINET_MEAN = np.array([102.890434, 111.25247, 126.91212], np.float32)
_SINET_DEVIATION = np.array([62.93292, 62.82138, 66.355705], np.float32)

Planes = Callable[[np.ndarray], np.ndarray]


@dataclass
class Peer:
    """A person segmenter. prepare: (H, W, 3) uint8 BGR -> its input; run: the network; read: its output -> (h, w).

    times: milliseconds of each run of the network alone.
    """

    name: str
    prepare: Planes
    run: Planes
    read: Planes
    times: list[float] = field(default_factory=list)

    def matte(self, image: np.ndarray) -> np.ndarray:
        """(H, W) float32 in [0, 1] at the picture's size; image (H, W, 3) uint8 BGR."""
        planes = self.prepare(image)
        started = time.perf_counter()
        output = self.run(planes)
        self.times.append((time.perf_counter() - started) * 1e3)
        return cv2.resize(self.read(output), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def ours(model: str, threads: int) -> Peer:
    """A segmenter of this project, at its card's size in the picture's shape."""
    engine = load_engine(model, "segmenter", device="cpu", threads=threads)
    height, width = engine.card.sizes[0]
    multiple = engine.card.multiple

    def prepare(image: np.ndarray) -> np.ndarray:
        return to_network(image, working_size(image.shape[0], image.shape[1], height * width, multiple))

    person, threshold = engine.card.classes.index("person"), engine.card.threshold

    def read(output: np.ndarray) -> np.ndarray:
        return centred(output[0, person], threshold)

    return Peer(engine.card.name, prepare, lambda planes: engine.run(image=planes)["matte"], read)


def teachers(folder: Path, threads: int) -> tuple[list[Peer], dict[str, str]]:
    """The teachers in a folder, and why others are left out."""
    made, missing = [], dict(LEFT_OUT)
    for name, make in _TEACHERS.items():
        path = folder / name
        try:
            if not path.is_file():
                raise EngineError("it is not in the reference data")
            made.append(make(path, threads))
        except EngineError as error:
            missing[name] = str(error)
    return made, missing


def _selfie(path: Path, threads: int) -> Peer:
    session, entry = _session(path, threads)
    return Peer(path.name, _unit((256, 256)), lambda x: session.run(None, {entry: x})[0], lambda out: out[0, ..., 0])


def _sinet(path: Path, threads: int) -> Peer:
    session, entry = _session(path, threads)

    def prepare(image: np.ndarray) -> np.ndarray:
        scaled = (_resize(image, (320, 320)) - _SINET_MEAN) / _SINET_DEVIATION / 255
        return np.ascontiguousarray(scaled.transpose(2, 0, 1)[None], np.float32)

    return Peer(path.name, prepare, lambda x: session.run(None, {entry: x})[0], lambda out: out[0, 1])


def _tflite(size: tuple[int, int], signed: bool, read: Planes) -> Callable[[Path, int], Peer]:
    def make(path: Path, threads: int) -> Peer:
        return Peer(path.name, _signed(size) if signed else _unit(size), load_tflite(path, threads), read)

    return make


def _deeplab(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits[0] - logits[0].max(-1, keepdims=True))
    return powers[..., PERSON] / powers.sum(-1)


_TEACHERS: dict[str, Callable[[Path, int], Peer]] = {
    "selfie_segmentation.onnx": _selfie,
    "selfie_segmentation.tflite": _tflite((256, 256), False, lambda out: out[0, ..., 0]),
    "selfie_segmentation_landscape.tflite": _tflite((144, 256), False, lambda out: out[0, ..., 0]),
    "sinet_softmax.onnx": _sinet,
    "deeplabv3_257_mv_gpu.tflite": _tflite((257, 257), True, _deeplab),
    "body-pix-float-050-8.tflite": _tflite((257, 257), True, lambda out: 1 / (1 + np.exp(-out[0, ..., 0]))),
}


def _session(path: Path, threads: int) -> tuple[onnxruntime.InferenceSession, str]:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return session, session.get_inputs()[0].name


def _resize(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_AREA).astype(np.float32)


def _unit(size: tuple[int, int]) -> Planes:
    return lambda image: np.ascontiguousarray(_resize(image, size)[None, ..., ::-1] / 255)


def _signed(size: tuple[int, int]) -> Planes:
    return lambda image: np.ascontiguousarray(_resize(image, size)[None, ..., ::-1] / 127.5 - 1)
