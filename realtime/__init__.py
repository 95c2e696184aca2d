"""Everything a frame passes through at run time; no training code, no torch.

    from realtime import Eraser, erase_video
    erase_video("in.mp4", "out.mp4")
"""
