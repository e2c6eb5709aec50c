"""Sweeps: training a spec at several points with several seeds in one folder, with a table and a plot."""
