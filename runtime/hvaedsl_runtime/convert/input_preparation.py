"""How images become the inputs of converted weights: by published constants, as a file says, or by statistics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from hvaedsl.diagnostics.errors import DataNotFound, InvalidWeights, RunError, UsageError, WeightsMismatch
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.program import Program
from hvaedsl_runtime.data import (
    AnyPreparation,
    Preparation,
    open_split,
    preparation_from,
    preparation_of,
    published_preparation,
)
from hvaedsl_runtime.disk.spec_changes import as_written

# Where the statistics of real values come from, which no dataset has published.
OF_REALS = (
    "real values are standardized by the training images that the spec names, or as a weight file states that "
    "`hvaedsl convert` or `hvaedsl export` wrote with its own names"
)


def converted_preparation(
    program: Program, trained_on: str | None, metadata: Mapping[Path, Mapping[str, str]]
) -> tuple[AnyPreparation, str]:
    """How images become inputs, and the source of its constants, in words.

    `metadata` is that of the weight files. Raises UsageError for a dataset without published constants, DataNotFound if
    there are neither constants nor training images, and as `_described_preparation` does.
    """
    data, likelihood = program.spec.data, program.spec.model.likelihood
    features = program.spec.model.fourier.exponents_at("image")

    # The user's word comes first, then that of the files, then the spec's dataset.
    if trained_on is not None:
        if data.is_real:
            raise UsageError(
                f"--trained-on is {trained_on}, and the values of the spec's images are real: no dataset has published "
                "constants for them",
                help=f"remove --trained-on; {OF_REALS}",
            )
        chosen = published_preparation(data, likelihood, trained_on, image_features=features)
        if chosen is None:
            known = ", ".join(name for name, dataset in DATASETS.items() if dataset.shift is not None)
            raise UsageError(
                f"--trained-on is {trained_on}, for {data.dataset} with {data.levels} levels; it must be a "
                f"dataset with published constants ({known}), for images with 256 levels that are not binarized"
            )
        return chosen, f"the published constants of {trained_on}"

    for path, stated in metadata.items():
        if "preparation" in stated:
            return _described_preparation(program, path, stated["preparation"]), f"as stated in {path.name}"

    constants = published_preparation(data, likelihood, data.dataset, image_features=features)
    if constants is not None:
        return constants, f"the published constants of {data.dataset}"

    try:
        images = open_split(data, "train", size=program.spec.train.augment.random_crop)
        statistics = preparation_of(program.spec, images)
        return statistics, f"the statistics of {data.dataset}'s images"
    except RunError as error:
        if data.is_real:
            raise DataNotFound(
                "the mean and the standard deviation of each channel are unknown: no weight file states them, and "
                f"{error}",
                help=OF_REALS,
            ) from error
        raise DataNotFound(
            f"the input's shift and scale are unknown: {data.dataset} has no published ones, and {error}",
            help="name the dataset that the weights were trained on with --trained-on, such as imagenet32_oord",
        ) from error


def _described_preparation(program: Program, path: Path, stated: str) -> AnyPreparation:
    """The preparation in a file's metadata.

    Raises InvalidWeights if it cannot be read, and WeightsMismatch if the spec prepares images in another way.
    """
    try:
        found = preparation_from(json.loads(stated))
    except (ValueError, TypeError) as error:
        raise InvalidWeights(
            f"{path}: `preparation` in its metadata cannot be read",
            help="write the file again with `hvaedsl convert RUN --to FILE`"
            if program.spec.data.is_real
            else "name the dataset that the weights were trained on with --trained-on",
        ) from error

    data, model = program.spec.data, program.spec.model
    both: dict[str, tuple[object, object]] = {}
    if isinstance(found, Preparation) and not data.is_real:
        both |= {
            "data.levels": (found.levels, data.levels),
            "data.binarize": (found.binarize, data.binarize),
            "the bits of model.likelihood": (found.bits, model.likelihood.bits),
        }
    both |= {
        "data.values": ("levels" if isinstance(found, Preparation) else "real", data.values),
        "model.fourier.exponents, of the image": (found.image_features, model.fourier.exponents_at("image")),
    }
    differences = [
        f"{key}: {as_written(in_file)} in the file, {as_written(in_spec)} in the spec"
        for key, (in_file, in_spec) in both.items()
        if in_file != in_spec
    ]
    if differences:
        raise WeightsMismatch(
            f"{path}: its weights were trained on other inputs than the spec's; {'; '.join(differences)}",
            help="use the spec that they were trained with"
            + ("" if data.is_real else ", or override the file with --trained-on"),
        )
    return found
