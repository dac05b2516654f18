"""The productive feed trained and evaluated: features, examples, split, sampler, calibration, baselines, trainer."""
