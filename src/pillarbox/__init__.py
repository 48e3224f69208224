"""Pillarbox: a complete POP3 system."""

__version__ = "0.1.0"
