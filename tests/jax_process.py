"""Python code in a process of its own, on Keras's JAX backend."""

import os
import subprocess
import sys


def run_on_jax(code, folder):
    """Runs code in a folder, on the CPU; fails if it does."""
    own = {"KERAS_BACKEND": "jax", "PYTHONPATH": os.pathsep.join(sys.path), "JAX_PLATFORMS": "cpu"}
    subprocess.run([sys.executable, "-c", code], check=True, cwd=folder, env={**os.environ, **own})
