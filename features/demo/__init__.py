"""A seeded simulator of a believable company that obeys `features/sources.py` and knows the true risks."""

from features.demo.company import END, Company, SimulationError, simulate

__all__ = ["END", "Company", "SimulationError", "simulate"]
