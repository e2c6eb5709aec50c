"""What a finding is, how it is made, and the kinds that no rule yields: syntax, names, values, block lists."""
