"""Findings: their records and places, and the kinds that no rule yields (syntax, names, values, block lists)."""
