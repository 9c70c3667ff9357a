"""How fast guardian is, beside what people would use instead: `python -m tests.benchmarks` prints one table.

    table/      samples, rows, bars, and how they are printed
    venue/      the paper exchange in a process of its own, behind proxies that delay and record
    subjects/   what is measured: guardian (of one or more checkouts), the peer, bare FastMCP, bare python-binance
    programs/   what runs in the Python of a subject: launchers and probes, each a file of its own
    sections/   the measurements, one module each

Nothing here runs in the ordinary test suite but the short tests of the harness itself.
"""
