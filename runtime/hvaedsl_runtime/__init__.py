"""The runtime: data, training, checkpoints, evaluation and sampling of compiled models."""
