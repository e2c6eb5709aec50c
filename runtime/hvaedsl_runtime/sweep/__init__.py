"""Sweeps: training a spec at several points with several seeds in one folder, with a table and a plot."""

from hvaedsl_runtime.drawing import quiet_matplotlib

quiet_matplotlib()
