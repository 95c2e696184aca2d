"""`erase-live`: erase from a camera as it runs. Capture, process, fill and record each have a thread; the window has
the main one, as HighGUI requires."""
