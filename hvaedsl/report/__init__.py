"""Diagnostics and costs as a person or a program reads them."""
