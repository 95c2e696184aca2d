"""Where the camera looks, and how pixels move from frame to frame."""
