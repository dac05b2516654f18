"""What to recommend to one user, and why: `traceformers recommend`."""
