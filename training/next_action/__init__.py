"""Foretelling what a person does next in a session from what came before: examples, training, baselines, figures."""
