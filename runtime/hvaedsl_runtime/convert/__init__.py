"""Import and export of published checkpoints: weight names, optimizer state, run folders from weight files."""
