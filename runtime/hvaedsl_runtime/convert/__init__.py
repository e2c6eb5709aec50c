"""Published checkpoints in and out: weight names, optimizer state, run folders from weight files."""
