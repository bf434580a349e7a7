"""No kernel compiles while payments wait."""

import subprocess
import sys

PROGRAM = """
import gc, re
from numba.core.dispatcher import Dispatcher
from streams.config.settings import Settings
from streams.worker.warmup import warm_up
from streams.config.wiring import load_bundle

warm_up(load_bundle(Settings()))
kernels = {d.py_func.__qualname__: d.signatures for d in gc.get_objects() if isinstance(d, Dispatcher)}
called = re.compile("_[0-9a-f]{8}$|^(_margins|_contributions|_apply|choose)$")  # by Python; the rest by these
entries = {name: signatures for name, signatures in kernels.items() if called.search(name)}
print(len(entries), *sorted(name for name, signatures in entries.items() if not signatures))
"""


def test_the_warm_up_runs_every_entry_point() -> None:
    """Also those that only an odd record or a report needs: the first of them would stop the worker for seconds."""
    run = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=240)
    count, *cold = run.stdout.split()
    assert int(count) >= 14, "most entry points are found by the digest in their names"
    assert cold == []
