"""Errors of the planning package."""

from hemadose.errors import HemadoseError


class HemadosePlanningError(HemadoseError):
    """A plan cannot be made from what was given; the message says what is legal."""
