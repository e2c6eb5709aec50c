"""Datasets: open and split them, prepare their images for training, and turn batches into a model's inputs."""

from hvaedsl_runtime.data.augmentation import Augmentation, augmentation
from hvaedsl_runtime.data.baseline import (
    histogram_baseline_bits_per_dim,
    logistic_baseline_bits_per_dim,
    normal_baseline_nats_per_dim,
)
from hvaedsl_runtime.data.fingerprint import Fingerprint, differences, fingerprint
from hvaedsl_runtime.data.images import ImageSet, Split
from hvaedsl_runtime.data.opening import has_validation, open_split, remarks
from hvaedsl_runtime.data.places import located
from hvaedsl_runtime.data.preparation import (
    AnyPreparation,
    Preparation,
    preparation,
    preparation_from,
    preparation_of,
    published_preparation,
)
from hvaedsl_runtime.data.real_preparation import RealPreparation
from hvaedsl_runtime.data.seeded import epochs_of, fixed_uniform, index_stream

__all__ = [
    "AnyPreparation",
    "Augmentation",
    "Fingerprint",
    "ImageSet",
    "Preparation",
    "RealPreparation",
    "Split",
    "augmentation",
    "differences",
    "epochs_of",
    "fingerprint",
    "fixed_uniform",
    "has_validation",
    "histogram_baseline_bits_per_dim",
    "index_stream",
    "located",
    "logistic_baseline_bits_per_dim",
    "normal_baseline_nats_per_dim",
    "open_split",
    "preparation",
    "preparation_from",
    "preparation_of",
    "published_preparation",
    "remarks",
]
