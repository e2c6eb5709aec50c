"""Analyses of a trained model: one file each; `base` has their common types, `registry` their list."""

from hvaedsl_runtime.drawing import import_matplotlib

import_matplotlib()
