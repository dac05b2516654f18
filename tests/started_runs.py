"""Runs in processes of their own: whole ones, and one that ends as by `kill -9`.

start("-m", "torch.distributed.run", ...)        python with these arguments, one thread
start_and_kill("run_mlm", config, ...)           a script of run_scripts, killed in the middle of its 8th step
"""

import os
import signal
import subprocess
import sys

KILLED_IN_THE_8TH_STEP = """
import os, signal, sys
from importlib import import_module
from transformers import Trainer

whole_step = Trainer.training_step
def step(self, *args, **kwargs):
    loss = whole_step(self, *args, **kwargs)
    if self.state.global_step == 7:
        os.kill(os.getpid(), signal.SIGKILL)
    return loss

Trainer.training_step = step
import_module(f"traceformers.run_scripts.{sys.argv[1]}").main(sys.argv[2:])
"""


def start(*command, **environment):
    """Returns the finished process of this Python with arguments `command`, its output as text."""
    env = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run([sys.executable, *command], env=env, capture_output=True, text=True, timeout=300)


def start_and_kill(script, *arguments):
    """Returns the process of a run that was killed while it trained; asserts that it was."""
    killed = start("-c", KILLED_IN_THE_8TH_STEP, script, *arguments)
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    return killed
