"""The paper's theorems as numerical checks, in float64 (Falck, Williams et al. 2022)."""
