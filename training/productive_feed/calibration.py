"""Probabilities that mean what they say: one temperature and one shift a head, fitted on validation.

    p = sigmoid(logit / T + b)

Guo et al., "On calibration of modern neural networks", ICML 2017, arXiv 1706.04599, fit T alone; Platt 1999 fits b too.
Weighted classes and balanced batches shift the logits, so b is fitted as well, and goes into the bias of the head. Both
are drawn to T = 1, b = 0, or to a calibration that was there before, as by some examples of each, so that a small
validation part does not bend them far.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

#: How strongly T = 1 and b = 0 are held, as variances of log T and b.
VARIANCE_OF_LOG_TEMPERATURE, VARIANCE_OF_SHIFT = 0.5, 2.0
LOWEST, HIGHEST = 0.05, 20.0


@dataclass(frozen=True)
class Calibration:
    """Temperature and shift of one head; `probabilities(logits)` applies them."""

    temperature: float = 1.0
    shift: float = 0.0

    def probabilities(self, logits):
        """Returns the probabilities of logits, float64 of the same shape."""
        return sigmoid(np.asarray(logits, dtype=np.float64) / self.temperature + self.shift)


def fit_calibration(logits, labels, before=None):
    """Returns the `Calibration` that makes labels most likely, held to T = 1 and b = 0; that itself for no labels.

    Args:
        logits (float (n,)). labels (float (n,)): from 0 to 1; NaN for none.
        before (`Calibration`, *optional*): what it is held to instead.
    """
    if before is not None:
        more = fit_calibration(np.asarray(logits) / before.temperature + before.shift, labels)
        return Calibration(before.temperature * more.temperature, before.shift / more.temperature + more.shift)
    logits, labels = np.asarray(logits, dtype=np.float64), np.asarray(labels, dtype=np.float64)
    said = ~np.isnan(labels)
    logits, labels = logits[said], labels[said]
    if not len(labels):
        return Calibration()

    def loss(parameters):
        log_t, shift = parameters
        z = logits * np.exp(-log_t) + shift
        held = log_t**2 / (2 * VARIANCE_OF_LOG_TEMPERATURE) + shift**2 / (2 * VARIANCE_OF_SHIFT)
        return np.sum(np.logaddexp(0, z) - labels * z) + held

    bounds = [(np.log(LOWEST), np.log(HIGHEST)), (-10.0, 10.0)]
    best = minimize(loss, [0.0, 0.0], method="L-BFGS-B", bounds=bounds).x
    return Calibration(float(np.exp(best[0])), float(best[1]))


def sigmoid(x):
    """Returns 1 / (1 + exp(-x)) without overflow."""
    return np.exp(-np.logaddexp(0, -x))
