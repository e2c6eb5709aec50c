"""Evaluate models: likelihood bounds, samples, reconstructions, and finished runs."""
