"""The machine of the figures, and the core of each process."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

PARTS = ("faust-streaming", "aiokafka", "lightgbm", "numba", "numpy", "msgspec", "orjson", "uvloop")

WORKER_CORE = 1
"""Only the worker, or the peer in its place, uses this core; broker, generator and reader use the others."""


def describe() -> dict[str, str]:
    """Name processor, memory, Python and the versions of the measured programs."""
    info = Path("/proc/cpuinfo").read_text()
    model = next((line.split(":", 1)[1].strip() for line in info.splitlines() if line.startswith("model name")), "?")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    described = {
        "machine": f"{os.cpu_count()} x {model}, {memory:.0f} GiB",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
    }
    java = subprocess.run(["java", "-version"], capture_output=True, check=False, text=True)
    described["java"] = java.stderr.splitlines()[0] if java.returncode == 0 else "absent"
    return described | {part: version(part) for part in PARTS}


def pin(pid: int, core: int) -> None:
    """Keep every thread of a process on one core, if the machine has a second one."""
    if (os.cpu_count() or 1) < 2:
        return
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def resident_mib(pid: int) -> float:
    """Read the memory of a process."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20
