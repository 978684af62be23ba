"""Errors of the radiobio package."""


class RadiobioError(ValueError):
    """Base class of all errors raised by `radiobio`: what was given, and what is legal."""
