"""Likelihoods: heads that read the final top-down state, [B, width, H, W]."""

from hvaedsl.nn.likelihoods.base import Likelihood
from hvaedsl.nn.likelihoods.bernoulli import Bernoulli
from hvaedsl.nn.likelihoods.gaussian import GaussianDensity
from hvaedsl.nn.likelihoods.high_bit_depth import HighBitDepthMixtureOfLogistics
from hvaedsl.nn.likelihoods.mixture_of_logistics import MixtureOfLogistics

__all__ = ["Bernoulli", "GaussianDensity", "HighBitDepthMixtureOfLogistics", "Likelihood", "MixtureOfLogistics"]
