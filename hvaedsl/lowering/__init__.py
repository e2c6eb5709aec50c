"""Bridge to plan to source to module. Everything but `module.py` and `custom.py` runs without torch."""
