"""Errors of the kinetics package."""


class KineticsError(ValueError):
    """Base class of all errors raised by `kinetics`: what was given, and what is legal."""
