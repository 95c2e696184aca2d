"""Where frames come from and go to: video files and addresses, still pictures, sequences."""
