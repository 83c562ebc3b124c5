"""The verdict: components and the movie go in; scores, classes and the accepted set come out.

SNR (:mod:`snr`) and spatial correlation (:mod:`rvalues`) are CaImAn's; the rule on them and on the
footprint decides (:mod:`evaluate`).
"""
