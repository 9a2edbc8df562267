"""COPASI behind the contract of simulators."""
