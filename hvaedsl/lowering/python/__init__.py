"""Plan to Python source: one file that needs only torch. No torch here: the layers' source is read as text."""
