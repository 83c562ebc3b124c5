"""Motion correction: frames go in, shifts and corrected frames come out.

Each frame is compared with a template in the Fourier domain, where a shift is a phase ramp; all
frames are fitted together (:mod:`rigid`, :mod:`continuity`), bending is a smooth field of shifts
over time (:mod:`nonrigid`, :mod:`field_prior`), and the frames are moved by interpolation
(:mod:`apply`). Entry point: :func:`napari_cnmf.core.motion.correct.correct_motion`.
"""
