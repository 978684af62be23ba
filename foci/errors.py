"""Errors of the foci package."""


class FociError(ValueError):
    """Base class of all errors raised by `foci`: what was given, and what is legal."""
