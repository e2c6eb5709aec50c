"""Reads a run folder without changing it, and says what went wrong and what to try."""
