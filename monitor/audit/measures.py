"""What an audit says of two labelled groups of hidden states, and how each is computed from the size-free effect."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Final, Self

import numpy as np

from monitor.audit.anchors import Floats
from monitor.audit.aqi import appendix_b, section_3
from monitor.audit.scatter import chi_of, xbi_of


class AuditMeasure(StrEnum):
    """A measure or a named variant of AQI, with its meaning. `is_rising`: higher is more separated."""

    meaning: str
    is_rising: bool

    def __new__(cls, slug: str, meaning: str, is_rising: bool) -> Self:  # noqa: FBT001  # a table
        """A slug that carries the rest."""
        member = str.__new__(cls, slug)
        member._value_ = slug
        member.meaning = meaning
        member.is_rising = is_rising
        return member

    J = "j", "Size-free effect: squared distance of the centroids, less its noise, over the scatter.", True
    J_CLUSTERED = "j_clustered", "J with the noise taken between clusters, for matched pairs.", True
    CHI = "chi", "Calinski-Harabasz index; grows with the number of anchors.", True
    XBI = "xbi", "Xie-Beni index; CHI upside down.", False
    DBI = "dbi", "Davies-Bouldin index, as in scikit-learn.", False
    DUNN = "dunn", "Dunn's index: the smallest gap over the largest diameter.", True
    SILHOUETTE = "silhouette", "Mean silhouette.", True
    AQI_SECTION_3 = "aqi_section_3", "AQI as section 3 of arXiv 2506.13901 has it: unbounded.", True
    AQI_APPENDIX_B = "aqi_appendix_b", "AQI as its appendix B has it: needs a pool of references.", True
    AQI_RELEASED = (
        "aqi_released",
        "AQI as the released code normalises it: within one model's axioms, 0 to 100.",
        True,
    )


OF_J: Final = (AuditMeasure.CHI, AuditMeasure.XBI, AuditMeasure.AQI_SECTION_3, AuditMeasure.AQI_APPENDIX_B)
"""Functions of J and the sizes: one statistic, one p-value."""
OF_PAIRS: Final = (AuditMeasure.DUNN, AuditMeasure.SILHOUETTE)
"""Need all pairs of rows."""
USUAL: Final = (
    AuditMeasure.J,
    AuditMeasure.J_CLUSTERED,
    AuditMeasure.CHI,
    AuditMeasure.XBI,
    AuditMeasure.DBI,
    AuditMeasure.AQI_SECTION_3,
    AuditMeasure.AQI_APPENDIX_B,
)


def function_of_j(
    measure: AuditMeasure, safe: float, unsafe: float, *, chi_max: float | None
) -> Callable[[Floats], Floats] | None:
    """How one of OF_J follows from J [...] at these sizes. None: appendix B without a `chi_max`, or a measure that doesn't."""

    def both(j: Floats) -> tuple[Floats, Floats]:
        return np.maximum(chi_of(j, safe, unsafe), 0.0), xbi_of(j, safe, unsafe)

    match measure:
        case AuditMeasure.CHI:
            return lambda j: both(j)[0]
        case AuditMeasure.XBI:
            return lambda j: xbi_of(j, safe, unsafe)
        case AuditMeasure.AQI_SECTION_3:
            return lambda j: section_3(*both(j))
        case AuditMeasure.AQI_APPENDIX_B if chi_max is not None:
            return lambda j: appendix_b(*both(j), chi_max=chi_max)
        case _:
            return None
