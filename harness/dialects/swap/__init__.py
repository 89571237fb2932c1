"""Carrying a conversation from one model to another."""
