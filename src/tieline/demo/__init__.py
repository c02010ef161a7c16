"""The sixty-second demonstration: a real server, a real call, and the outcome, shown as a person would read it."""

from __future__ import annotations

from tieline.demo.play import run_demo

__all__ = ["run_demo"]
