"""The files of a run: every read and write of a run folder, its checkpoint, its metrics and weight files."""
