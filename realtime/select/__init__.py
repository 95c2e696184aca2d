"""The window of `erase-video --select`: what is to be erased is chosen on the file's frames, in any order."""
