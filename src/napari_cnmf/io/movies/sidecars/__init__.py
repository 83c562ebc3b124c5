"""Files beside a movie that describe it: of Bruker, ThorImage, Micro-Manager, miniscopes."""

from __future__ import annotations
