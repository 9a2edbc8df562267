"""The command line: parse, call, print; one file a group of verbs."""

from __future__ import annotations

__all__ = ["main"]


def main() -> None:
    """Run the command line; errors that cellula raises on purpose end it with one message."""
    from cellula.cli.app import run

    run()
