"""Checks of what every engine must do, for our engines and for those of others.

Each check takes an engine and an empty folder, runs real jobs on simulated recordings, and raises
``AssertionError`` saying what was wrong. With pytest::

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, tmp_path):
        check(MyEngine(), tmp_path)
"""

from napari_cnmf.testing.contract._checks import CHECKS, Check
from napari_cnmf.testing.contract._components import (
    check_cnmf,
    check_cnmf_3d,
    check_cnmfe,
    check_evaluate,
    check_evaluate_of_others,
    check_mask,
    check_seeds,
    check_zero_cells,
)
from napari_cnmf.testing.contract._conduct import (
    check_cancel,
    check_cancel_motion,
    check_describes_itself,
    check_impossible_movies,
    check_repeats_itself,
)
from napari_cnmf.testing.contract._motion import (
    check_piecewise,
    check_piecewise_3d,
    check_rigid,
    check_rigid_3d,
)
from napari_cnmf.testing.contract._workbench import Listener

__all__ = [
    "CHECKS",
    "Check",
    "Listener",
    "check_cancel",
    "check_cancel_motion",
    "check_cnmf",
    "check_cnmf_3d",
    "check_cnmfe",
    "check_describes_itself",
    "check_evaluate",
    "check_evaluate_of_others",
    "check_impossible_movies",
    "check_mask",
    "check_piecewise",
    "check_piecewise_3d",
    "check_repeats_itself",
    "check_rigid",
    "check_rigid_3d",
    "check_seeds",
    "check_zero_cells",
]
