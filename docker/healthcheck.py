"""Fails unless the service in this container is ready: python healthcheck.py [PORT]."""

import sys
import urllib.request

port = sys.argv[1] if len(sys.argv) > 1 else "8000"
try:
    urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=10).close()  # any status but 2xx is an error
except OSError as error:
    sys.exit(f"The service is not ready: {error}")
