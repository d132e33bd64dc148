"""Anchors on a plane, for the eye: the first two principal components. Pure."""

from __future__ import annotations

from typing import Final

import numpy as np

from monitor.audit.anchors import Floats, Matrix
from schemas.audits import PICTURE_MAX_POINTS, AuditPicture

PROJECTION: Final = "pca"
_DIGITS: Final = 4


def principal_plane(rows: Matrix) -> tuple[Floats, tuple[float, float]]:
    """Points [n, 2] of `rows` [n, d], and the shares of the variance along each axis. Labels are not used: in a space of more dimensions
    than rows any labelling would look separated on axes that knew it. The sign of an axis is that of its largest coordinate."""
    centred = rows.astype(np.float64) - rows.mean(axis=0, dtype=np.float64)
    is_narrow = centred.shape[1] < len(centred)  # the smaller of the two has the same eigenvalues
    products = centred.T @ centred if is_narrow else centred @ centred.T
    values, vectors = np.linalg.eigh(products)
    total = max(float(np.trace(products)), 1e-300)
    largest, axes = np.zeros(2), vectors[:, ::-1][:, :2]
    largest[: axes.shape[1]] = np.maximum(values[::-1][:2], 0.0)
    points = np.zeros((len(centred), 2))
    points[:, : axes.shape[1]] = centred @ axes if is_narrow else axes * np.sqrt(largest[: axes.shape[1]])
    places = np.abs(points).argmax(axis=0)
    signs = np.where(points[places, np.arange(2)] < 0, -1.0, 1.0)
    shares = [min(float(value) / total, 1.0) for value in largest]
    return points * signs, (shares[0], shares[1])


def picture_of(layer: str, rows: Matrix, safe: int) -> AuditPicture:
    """`rows` [n, d] of a layer, standardised, in canonical order, the first `safe` of them safe."""
    places = np.arange(len(rows))
    if len(rows) > PICTURE_MAX_POINTS:
        places = np.linspace(0, len(rows) - 1, PICTURE_MAX_POINTS).round().astype(np.intp)
    points, shares = principal_plane(rows[places])
    points = points.round(_DIGITS)
    return AuditPicture(
        layer=layer,
        projection=PROJECTION,
        shares=shares,
        x=tuple(points[:, 0].tolist()),
        y=tuple(points[:, 1].tolist()),
        is_safe=tuple((places < safe).tolist()),
    )
