"""The energy of a run, told by codecarbon where it is installed: emissions.csv in the run's folder, for its card.

    with measured_energy("runs/base"):
        trainer.train()

codecarbon can look up by the network where the machine is; here it does not. The country, whose power grid decides how
much CO2 a kilowatt-hour stands for, is named in TRACEFORMERS_COUNTRY by its three letters, for example DEU. Without
codecarbon or the country nothing is done: a card then says that the energy was not measured.
"""

import os
from contextlib import contextmanager

COUNTRY = "TRACEFORMERS_COUNTRY"
SECONDS_BETWEEN = 15


@contextmanager
def measured_energy(run_dir, country=None):
    """Inside, energy is counted; at the end a row is added to emissions.csv in `run_dir`. Yields whether it is counted.

    A run that went on after a stop leaves a row each time; `read_energy` adds them.

    Args:
        run_dir (path): output folder of the run.
        country (`str`, *optional*): three letters of ISO 3166; without it those in the environment.

    Raises:
        ValueError: the country is not one of three letters.
    """
    country = country or os.environ.get(COUNTRY)
    if not country or int(os.environ.get("RANK") or False):  # one process of a machine counts for all
        yield False
        return
    if not (len(country) == 3 and country.isalpha()):
        raise ValueError(f"Expected three letters of a country in {COUNTRY}, like DEU, got {country!r}.")
    try:
        from codecarbon import OfflineEmissionsTracker
    except ImportError:
        yield False
        return
    os.makedirs(run_dir, exist_ok=True)
    tracker = OfflineEmissionsTracker(
        country_iso_code=country.upper(),
        output_dir=str(run_dir),
        measure_power_secs=SECONDS_BETWEEN,
        tracking_mode="process",
        log_level="error",
        allow_multiple_runs=True,
    )
    tracker.start()
    try:
        yield True
    finally:
        tracker.stop()
