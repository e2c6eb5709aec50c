"""Bridge to plan to module. Everything but `module.py` runs without torch."""
