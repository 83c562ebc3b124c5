"""Files beside a movie that describe it: Bruker's XML, ThorImage's, Micro-Manager's, miniscopes'."""

from __future__ import annotations
