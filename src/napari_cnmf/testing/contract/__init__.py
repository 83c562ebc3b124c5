"""Checks of what every engine must do, for our engines and for those of others.

Each check takes an engine and an empty folder, runs real jobs on simulated recordings, and raises
``AssertionError`` saying what was wrong. With pytest::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, tmp_path):
        check(MyEngine(), tmp_path)
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from napari_cnmf.engines.base import Engine
from napari_cnmf.testing.contract import _components, _conduct, _motion

Check = Callable[[Engine, Path], None]
"""Takes an engine and an empty folder; raises ``AssertionError``."""

CHECKS: tuple[Check, ...] = (
    _conduct.check_describes_itself,
    _conduct.check_impossible_movies,
    _conduct.check_cancel,
    _conduct.check_cancel_motion,
    _conduct.check_repeats_itself,
    _components.check_cnmf,
    _components.check_cnmf_3d,
    _components.check_cnmfe,
    _components.check_seeds,
    _components.check_mask,
    _components.check_evaluate,
    _components.check_evaluate_of_others,
    _components.check_zero_cells,
    _motion.check_rigid,
    _motion.check_piecewise,
    _motion.check_rigid_3d,
    _motion.check_piecewise_3d,
)
"""All checks of the contract, the quick ones first."""
