"""By how much each group of clips (a recording, a person) moves a mean over clips.

NumPy and SciPy only.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def group_influence(
    values: ArrayLike, classes: ArrayLike, groups: ArrayLike
) -> tuple[Float[np.ndarray, "r g"], Int[np.ndarray, "g"]]:
    """By how much each group moves the mean of each rotation, and the stratum of each group.

    The mean changes by minus that amount if the group is left out and the share of each class is
    kept. Arguments and errors as in `two_way_interval`.

    Returns:
        (R, G) influence in the unit of the values, and (G,) stratum, counted from 0. Classes that
        share a group are one stratum.
    """
    table = values_of_clips(values)
    names, class_of = np.unique(_of_clips("classes", classes, table), return_inverse=True)
    members, group_of = np.unique(_of_clips("groups", groups, table), return_inverse=True)
    class_of = _merged(class_of, group_of)
    # a cell holds the clips of one group in one class
    cells, cell_of = np.unique(class_of * len(members) + group_of, return_inverse=True)
    cell_class, cell_group = cells // len(members), cells % len(members)
    scored = (~np.isnan(table)).astype(np.float64)
    size, sums = _sums(scored, cell_of), _sums(np.nan_to_num(table), cell_of)
    of_class = np.maximum(1, _sums(size, cell_class))
    share = size / of_class[:, cell_class]
    residual = sums - size * (_sums(sums, cell_class) / of_class)[:, cell_class]
    # a share of 1 is a class of one group, whose residual is 0
    residual /= np.where(share < 1, 1 - share, 1) * scored.sum(axis=1, keepdims=True)
    links = coo_array(
        (np.ones(len(cells)), (cell_class, len(names) + cell_group)),
        shape=(len(names) + len(members),) * 2,
    )
    strata = connected_components(links, directed=False)[1][len(names) :]
    return _sums(residual, cell_group), np.unique(strata, return_inverse=True)[1]


def _merged(class_of: Int[np.ndarray, "n"], group_of: Int[np.ndarray, "n"]) -> Int[np.ndarray, "n"]:
    """Classes in which those of a single group are put together."""
    pairs = np.unique(np.stack([class_of, group_of]), axis=1)
    counts = np.bincount(pairs[0])
    alone = np.flatnonzero(counts == 1)
    if not len(alone):
        return class_of
    together = set(alone)
    if len(np.unique(pairs[1][np.isin(pairs[0], alone)])) == 1 and len(alone) < len(counts):
        others = np.flatnonzero(counts > 1)
        together.add(others[counts[others].argmin()])
    return np.where(np.isin(class_of, list(together)), alone[0], class_of)


def _sums(
    values: Float[np.ndarray, "r n"], place: Int[np.ndarray, "n"]
) -> Float[np.ndarray, "r m"]:
    """Columns of the same place summed; a place without a column gets 0."""
    count = int(place.max()) + 1
    columns = coo_array((np.ones(len(place)), (np.arange(len(place)), place)), (len(place), count))
    return np.asarray((columns.T.tocsr() @ values.T).T)


def values_of_clips(values: ArrayLike) -> Float[np.ndarray, "r n"]:
    """(R, N) values in float64.

    Raises:
        ValueError: another shape, no values, or none in a rotation.
    """
    table = np.atleast_2d(np.asarray(values, dtype=np.float64))
    if table.ndim != 2 or not table.size:
        raise ValueError(f"two-way interval: wanted (R, N) with R, N >= 1, got shape {table.shape}")
    if np.isnan(table).all(axis=1).any():
        raise ValueError("two-way interval: wanted values in every rotation, got one of NaN alone")
    return table


def rotation_means(values: ArrayLike) -> Float[np.ndarray, "r"]:
    """The mean of each rotation."""
    return np.nanmean(values_of_clips(values), axis=1)


def _of_clips(name: str, column: ArrayLike, table: Float[np.ndarray, "r n"]) -> np.ndarray:
    found = np.asarray(column)
    if found.shape != (table.shape[1],):
        raise ValueError(
            f"two-way interval: wanted {name} of {table.shape[1]} clips, got shape {found.shape}"
        )
    return found
