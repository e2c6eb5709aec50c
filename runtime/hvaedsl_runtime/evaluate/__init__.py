"""Evaluation: likelihood bounds, samples, reconstructions, and a run that is opened again."""
