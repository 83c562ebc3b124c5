"""Reads files beside a movie that describe it: Bruker, ThorImage, Micro-Manager, miniscopes."""

from __future__ import annotations
