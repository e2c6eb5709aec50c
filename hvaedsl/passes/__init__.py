"""The passes on a bridge: a transform rewrites it, analyses measure it, and a verifier checks its invariants.

No pass calls another. The pipeline (`hvaedsl.pipeline`) runs them, and gives the results of analyses to the rules.
"""
