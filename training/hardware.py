"""What a process trains on, in words, for metrics.json and the model card."""

import os
import platform
from pathlib import Path

import torch


def describe_hardware():
    """Returns the accelerators this process sees, or the processor and its cores: "2 x NVIDIA H200, 140 GiB each".

    >>> "cores" in describe_hardware() or " x " in describe_hardware()
    True
    """
    if torch.cuda.is_available():
        devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
        memory = devices[0].total_memory / 2**30
        return f"{len(devices)} x {devices[0].name}, {memory:.0f} GiB each"
    if torch.backends.mps.is_available():
        return f"Apple GPU of {platform.machine()}"
    return f"CPU, {os.cpu_count()} cores, {processor_name()}"


def processor_name():
    """Returns the model name of the processor, or its architecture where the system does not tell."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
