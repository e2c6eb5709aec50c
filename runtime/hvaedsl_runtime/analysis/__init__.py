"""Analyses of a trained model: one file each; `base` has their common types, `registry` their list."""
