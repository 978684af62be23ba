"""Published population models, each with its source."""

from kinetics.library.activity_curves import ActivityCurves, integration_grid
from kinetics.library.models import (
    PublishedCovariate,
    PublishedModel,
    PublishedParameter,
    published_models,
)

__all__ = [
    "ActivityCurves",
    "PublishedCovariate",
    "PublishedModel",
    "PublishedParameter",
    "integration_grid",
    "published_models",
]
