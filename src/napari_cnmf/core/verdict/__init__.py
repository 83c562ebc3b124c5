"""The verdict: components and the movie go in; scores, probabilities and the accepted set come out.

SNR (:mod:`snr`) and spatial correlation (:mod:`rvalues`) are CaImAn's. The figures that an expert
looks at (:mod:`evidence`, :mod:`events`, :mod:`shape`) give the probability of a cell
(:mod:`cell_model`), which takes the place of CaImAn's network in CaImAn's rule (:mod:`evaluate`).
"""
