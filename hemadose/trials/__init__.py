"""Trials of treatment policies in virtual patients."""
