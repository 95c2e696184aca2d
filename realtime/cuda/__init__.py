"""Frames on a GPU: arrays in its memory, the kernels that work on them, and the driver beneath.

`realtime.ops` is the only user of this package's kernels; the eraser asks `open_device` for a `Device` and hands arrays
to and from it. Nothing here imports cuda-python until a GPU is asked for.
"""
