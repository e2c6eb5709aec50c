"""Custom cells, likelihoods and datasets: importing the parts that a spec names."""
