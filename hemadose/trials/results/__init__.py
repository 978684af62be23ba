"""Rows of a trial, its operating characteristics and figures."""
