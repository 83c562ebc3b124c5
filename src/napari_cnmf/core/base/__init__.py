"""Foundations of every step of the engine, without any knowledge of the method.

Compiled kernels, a thread pool with results that do not depend on its size, callbacks, the geometry
of fields, boxes and grids, and components in boxes while they are estimated.
"""
