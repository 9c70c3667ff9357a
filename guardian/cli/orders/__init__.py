"""The owner's word on one order: `guardian approve`, `guardian reject` and `guardian settle`."""
