"""What is done with a bridge: transforms rewrite it, analyses measure it, rules judge it. No pass calls another;
a rule asks the pipeline for the result of an analysis, by the function that computes it.
"""
