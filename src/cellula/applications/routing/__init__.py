"""Which test systems and which models suit a question, told by its endpoint and mechanism."""

from __future__ import annotations

from cellula.applications.routing.route import RouteOptions, run

__all__ = ["RouteOptions", "run"]
