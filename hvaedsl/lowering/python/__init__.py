"""Plan to Python source: one file that needs torch alone. No torch here: the layers' source is read as text."""
