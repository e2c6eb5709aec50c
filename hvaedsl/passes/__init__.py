"""The passes on a bridge: transforms rewrite it, analyses measure it, rules check it.

No pass calls another; a rule gets the result of an analysis from the pipeline, by the function that computes it.
"""
