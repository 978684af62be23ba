"""Chunks of a trial on one core, many, or a cluster; interrupted runs resume."""
