"""The ways out that read your own images from arrays instead of image files, or from files instead of arrays."""

from __future__ import annotations

from collections.abc import Mapping

from hvaedsl.diagnostics.diagnostic import Fix, removal, writing
from hvaedsl.diagnostics.span import Span
from hvaedsl.elaborate.missing import Values, shown_channels
from hvaedsl.ir.data_spec import MOST_FILE_CHANNELS
from hvaedsl.ir.datasets import DATASETS
from hvaedsl.ir.likelihood import Likelihood

Places = Mapping[str, Span]  # by dotted key: of the values, or of whole statements


def read_arrays(values: Values, origins: Places, statements: Places) -> tuple[Fix, ...]:
    """The way out for channels that image files do not have; none if another key forbids them.

    It removes `data.fit`, which only files have.
    """
    data, likelihood = values["data"], values["model"].get("likelihood")
    is_bernoulli = isinstance(likelihood, Likelihood) and likelihood.name == "bernoulli"
    written = _dataset("npy", origins["data.channels"], origins, statements)
    if written is None or is_bernoulli or data["channels"] < shown_channels(values):
        return ()
    if data["fit"] == "refuse" or "data.fit" not in origins:
        return (written,)

    fit = statements.get("data.fit")
    if fit is None or fit.source is not written.edits[0].span.source or "#" in fit.text:
        return ()
    return (Fix(f"{written.title}, and remove `fit`", (*written.edits, removal(fit))),)


def read_files(values: Values, origins: Places, statements: Places) -> tuple[Fix, ...]:
    """The way out for a fit without files; none for a named dataset, and for images that files cannot hold."""
    data = values["data"]
    if str(data["dataset"]) in DATASETS or data["channels"] > MOST_FILE_CHANNELS:
        return ()
    written = _dataset("folder", origins["data.fit"], origins, statements)
    return () if written is None else (written,)


def _dataset(name: str, finding: Span, origins: Places, statements: Places) -> Fix | None:
    """The fix that writes another dataset; None if the one of the spec is not in the file of the finding."""
    place = origins["data.dataset"]
    if "data.dataset" not in statements or place.source is not finding.source:
        return None
    return writing(place, name, shown=f"dataset = {name}")
