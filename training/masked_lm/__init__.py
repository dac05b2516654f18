"""Masked-language-model training on windows of recorded sessions."""
