"""Pass 1: a movie ``(T, [Z], Y, X)`` goes in; bins, noise, whitened rows and images come out.

Means over ``b`` frames keep slow calcium signals; the noise of a pixel comes from second
differences, ``sn^2 = E[(y[t-1] - 2 y[t] + y[t+1])^2] / 6``. Each pixel is divided by its noise.
"""
