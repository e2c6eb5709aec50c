"""Training: the state, the step, and the loop of one run."""
