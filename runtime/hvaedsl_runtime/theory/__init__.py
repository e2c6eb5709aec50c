"""Numerical checks of the theorems of Falck, Williams et al. 2022, in float64."""
