"""traceformers: models of the traces people leave, each loaded with `from_pretrained`."""

__version__ = "0.1.0"
