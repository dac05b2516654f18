"""Contrastive fine-tuning of an encoder of sessions: two disjoint parts of one session belong together."""
