"""What can be seen in a trained model: one file an analysis, `base` for what they share, `every` for their order."""
