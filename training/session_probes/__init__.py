"""What vectors of sessions are good for: labels, folds without a site in common, baselines from the log, probes."""
