"""Recommenders trained and evaluated: histories, splits, batches, trainer."""
