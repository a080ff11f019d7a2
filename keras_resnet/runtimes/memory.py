"""The memory that this process may use."""

import os
import pathlib

CONTAINER_LIMIT = pathlib.Path("/sys/fs/cgroup/memory.max")  # of a container's control group, version 2


def machine_memory() -> int:
    """The bytes of the machine's memory, or of the container's if it has a limit."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    try:
        return min(machine, int(CONTAINER_LIMIT.read_text()))
    except (OSError, ValueError):  # no control group, or "max"
        return machine
