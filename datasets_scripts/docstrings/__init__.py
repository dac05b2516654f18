"""Python's own documentation as a retrieval set: a summary line asks, the text below it answers."""
