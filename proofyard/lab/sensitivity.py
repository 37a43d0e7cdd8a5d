"""Which parameter moves the outcome: Sobol's first-order and total indices, by SALib.

First: the share of the variance that goes when this parameter alone is known. Total: the share that stays when all
others are. Saltelli et al., Variance based sensitivity analysis of model output (2010). A grid is looked up at the
points of a sample, which costs no runs.
"""

import importlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from proofyard.lab.design import GRID_SAMPLE, Design, Floats, as_points, shares

Indices = dict[str, dict[str, float]]  # by key: first, first_error, total, total_error (half a 95 % interval)


def indices(design: Design, outcome: Mapping[tuple[str, ...], float], seed: int) -> Indices | None:
    """Estimate the indices of one outcome, known at every point; None where it never varies."""
    points = design.points if design.sampled else as_points(design.over, shares(design.over, GRID_SAMPLE, seed))
    values: Floats = np.array([outcome[point] for point in points], np.float64)
    if not np.isfinite(values).all() or np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return None
    sobol: Any = importlib.import_module("SALib.analyze.sobol")  # here: SciPy takes a second to import
    found = sobol.analyze(design.problem, values, calc_second_order=False, seed=seed)
    names = {"first": "S1", "first_error": "S1_conf", "total": "ST", "total_error": "ST_conf"}
    return {
        over.key: {name: float(found[theirs][k]) for name, theirs in names.items()}
        for k, over in enumerate(design.over)
    }
