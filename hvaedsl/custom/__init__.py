"""A user's own cells, likelihoods and data sets: importing what a spec names."""
