"""Motion correction: frames in, corrected frames and shifts out."""

from napari_cnmf.core.motion._correct import correct_motion
from napari_cnmf.core.motion.result import MotionResult

__all__ = ["MotionResult", "correct_motion"]
