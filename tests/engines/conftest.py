"""A home with its tables, and the engine of a small project of scripted replies."""

from tests.must_hold.conftest import empty_home, home, scripted

__all__ = ["empty_home", "home", "scripted"]
