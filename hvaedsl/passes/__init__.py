"""What is done with a bridge: transforms rewrite it, analyses measure it, rules judge it. No pass imports another."""
