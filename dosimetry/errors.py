"""Errors of the dosimetry package."""


class DosimetryError(ValueError):
    """Base class of all errors raised by `dosimetry`: what was given, and what is legal."""
