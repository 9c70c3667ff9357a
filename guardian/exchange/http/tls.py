"""Makes sure that guardian talks to the exchange: TLS with one fixed source of authorities, whatever is set outside.

`ssl.create_default_context`, which aiohttp uses, takes its authorities from `SSL_CERT_FILE` and `SSL_CERT_DIR` and
writes the session's secrets to the file that `SSLKEYLOGFILE` names.
"""

from __future__ import annotations

import ssl
from functools import cache

import certifi


@cache
def own_tls_context() -> ssl.SSLContext:
    """Returns a context for TLS 1.2 or newer that checks the host's name, with certifi's authorities (Mozilla's) and no
    others, and without a key log.

    Loading them takes some 30 ms, once in a process.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.check_hostname = True
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cafile=certifi.where())
    return context
