"""The service's page: one file, and headers that keep it from loading anything else."""

import base64
import hashlib
import pathlib
import re

HTML = pathlib.Path(__file__).with_name("page.html").read_text(encoding="utf-8")


def _hashes(element: str) -> str:
    """The hashes of the page's inline scripts or styles, as a Content-Security-Policy lists them."""
    contents = re.findall(rf"<{element}>(.*?)</{element}>", HTML, re.DOTALL)
    digests = (base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() for content in contents)
    return " ".join(f"'sha256-{digest}'" for digest in digests)


HEADERS = {
    "Content-Security-Policy": "; ".join(
        [
            "default-src 'none'",
            f"script-src {_hashes('script')}",
            f"style-src {_hashes('style')}",
            "img-src blob: data:",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
