"""Launch a run in this process, or in several through torch's elastic launcher."""
