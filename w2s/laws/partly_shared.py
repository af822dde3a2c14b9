"""Placing a target where weak and strong features share directions only in part.

A unit vector f has the point (a, b): the part |P_s f|^2 of it within the strong features, and |P_w f|^2 within the weak ones.
Directions that both features have give (1, 1), those of one alone (1, 0) and (0, 1), those of neither (0, 0). In the plane of
a pair with cosine c = cos t between its strong and its weak direction, the vector at angle phi from the strong one gives
(cos^2 phi, cos^2(phi - t)): an ellipse that touches all four sides of the unit square. A target of several parts has the mean
of their points, weighted by power, so the points that some target has are the convex hull of all these.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Placement", "Point", "place_partly_shared", "weak_range"]

Point = tuple[float, float]
Vector = npt.NDArray[np.float64]

_ROUNDING = 1e-9
"""Parts of the power that may come out negative by rounding: the fields have decimals."""


class Placement(NamedTuple):
    """Parts of a target's power by the point of their directions, and what lies in planes of partly shared pairs.

    ``plane`` is that power, ``angle`` (phi) where in the plane.
    """

    parts: Mapping[Point, float]
    plane: float
    angle: float


def place_partly_shared(point: Point, corners: Sequence[Point], cosine: float) -> Placement | None:
    """Find the target with a point (a, b) that has least power in partly shared planes; None where there is none.

    ``corners`` are the points of the other directions that there are, ``cosine`` in (0, 1) is that of the partly shared pairs.
    The least power leaves one of two kinds of targets: the plane and one corner, along the line through both and the point, or
    the plane and two corners, the plane's part being where the ellipse is farthest from the line of these two.
    """
    found = [*_with_one(point, corners, cosine), *_with_two(point, corners, cosine)]
    return min(found, key=lambda placement: placement.plane) if found else None


def weak_range(strong: float, corners: Sequence[Point], cosine: float | None) -> tuple[float, float]:
    """Return the least and the greatest b of targets with a = ``strong``; ``cosine`` None: no pair is partly shared.

    To three digits: the ellipse counts as a polygon.
    """
    points = np.array([*corners, *([] if cosine is None else _ellipse(np.linspace(0.0, math.pi, 721), math.acos(cosine)).T)])
    left, right = points[points[:, 0] <= strong], points[points[:, 0] >= strong]
    wide = np.maximum(right[None, :, 0] - left[:, None, 0], 1e-300)
    share = np.clip((strong - left[:, None, 0]) / wide, 0.0, 1.0)
    reached = (1.0 - share) * left[:, None, 1] + share * right[None, :, 1]
    return (float(reached.min()), float(reached.max())) if reached.size else (math.nan, math.nan)


def _ellipse(angle: Vector, between: float) -> Vector:
    return np.stack([np.cos(angle) ** 2, np.cos(angle - between) ** 2])


def _with_one(point: Point, corners: Sequence[Point], cosine: float) -> Iterator[Placement]:
    """Yield targets of one corner and a plane: the point lies between the corner and the far side of the ellipse."""
    for corner in corners:
        steps = _far_side(corner, point, cosine)
        if steps is not None and steps >= 1.0 - _ROUNDING:
            end = tuple(v + steps * (p - v) for v, p in zip(corner, point, strict=True))
            plane = min(1.0, 1.0 / steps)
            yield Placement({corner: 1.0 - plane}, plane, _angle(end, cosine))


def _far_side(corner: Point, point: Point, cosine: float) -> float | None:
    """Count steps of size point - corner from the corner to the far side of the ellipse; None where the line misses it."""
    square = cosine**2
    for axis, (side, touched) in itertools.product((0, 1), ((1.0, square), (0.0, 1.0 - square))):
        if corner[axis] == point[axis] == side:  # the line is a side of the square, which the ellipse touches
            apart = point[1 - axis] - corner[1 - axis]
            return (touched - corner[1 - axis]) / apart if apart else None
    # With x = 2 a - 1, y = 2 b - 1 and C = cos 2t the ellipse is z'Az = det A for z = (x, y) and A = [[1, -C], [-C, 1]]. Along
    # z = start + k step this is quadratic in k; (u'Av)^2 = (u'Au)(v'Av) - det A det[u, v]^2 keeps its root exact.
    double = 2.0 * square - 1.0
    start = np.array([2.0 * value - 1.0 for value in corner])
    step = 2.0 * np.subtract(point, corner)
    form = np.array([[1.0, -double], [-double, 1.0]])
    lead, half = float(step @ form @ step), float(start @ form @ step)
    root = 4.0 * square * (1.0 - square) * (lead - float(start[0] * step[1] - start[1] * step[0]) ** 2)
    return (-half + math.sqrt(root)) / lead if lead > 0 and root >= 0 else None


def _with_two(point: Point, corners: Sequence[Point], cosine: float) -> Iterator[Placement]:
    """Yield targets of two corners and a plane.

    The plane is at the ellipse's point farthest from the line of the corners, on the point's side.
    """
    between = math.acos(cosine)
    for one, other in itertools.combinations(corners, 2):
        along = np.subtract(other, one)
        normal = np.array([-along[1], along[0]])
        if normal @ np.subtract(point, one) < 0:
            normal = -normal
        angle = _farthest(normal, between)
        end = _ellipse(np.asarray(angle), between)
        height = float(normal @ (end - one))
        if height <= _ROUNDING:
            continue
        plane = float(normal @ np.subtract(point, one)) / height
        rest = np.subtract(point, plane * end) - (1.0 - plane) * np.asarray(one)
        second = float(along @ rest) / float(along @ along)
        parts = {one: 1.0 - plane - second, other: second}
        if 0.0 <= plane <= 1.0 and min(parts.values()) >= -_ROUNDING:
            yield Placement({corner: max(part, 0.0) for corner, part in parts.items()}, plane, angle)


def _farthest(normal: Vector, between: float) -> float:
    """Find the angle phi with the largest n_1 cos^2 phi + n_2 cos^2(phi - t): half that of n_1 + n_2 exp(2 i t)."""
    real = normal[0] + normal[1] * math.cos(2.0 * between)
    return 0.5 * math.atan2(float(normal[1]) * math.sin(2.0 * between), float(real))


def _angle(point: Sequence[float], cosine: float) -> float:
    """Return the angle phi of a point of the ellipse."""
    along, seen = (math.sqrt(min(max(value, 0.0), 1.0)) for value in point)
    sine = math.sqrt((1.0 - cosine) * (1.0 + cosine))
    across = [(sign * seen - cosine * along) / sine for sign in (1.0, -1.0)]
    return math.atan2(min(across, key=lambda value: abs(value**2 + along**2 - 1.0)), along)
