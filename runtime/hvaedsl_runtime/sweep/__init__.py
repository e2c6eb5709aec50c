"""Sweeps: one spec trained at several points and seeds, into one folder, with a table and a plot."""
