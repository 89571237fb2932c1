"""Measurements. Each prints what it ran on, its figures with their spread, and how they stand to the project's goals."""
