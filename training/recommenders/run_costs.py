"""What a stretch of a run costs this process: seconds, seconds of processor, and memory."""

import resource
import sys
import time

import torch


class RunCosts:
    """Costs from the moment it is made."""

    def __init__(self):
        self.started, self.cpu_started = time.perf_counter(), _cpu_seconds()
        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()

    def figures(self):
        """Returns {"seconds", "cpu_seconds", "peak_memory_mib"} and, on a GPU, "peak_gpu_memory_mib".

        The peak of the memory is that of the process since its start; seconds of processor count its workers too.
        """
        unit = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss, in MiB
        figures = {
            "seconds": time.perf_counter() - self.started,
            "cpu_seconds": _cpu_seconds() - self.cpu_started,
            "peak_memory_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit,
        }
        if torch.cuda.is_available():
            figures["peak_gpu_memory_mib"] = torch.cuda.max_memory_allocated() / 2**20
        return figures


def _cpu_seconds():
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)
