"""Fitting the eraser to a device or a scene.

What is found by measuring on the machine or the footage at hand, rather than by training, belongs here: whether FP16 or
INT8 engines give the same picture as FP32 (parity), which threshold turns a segmenter's matte into a mask for a scene,
and a profile for each device (runtime, precision, network sizes, thread counts) that keeps the asked frame rate.
"""
