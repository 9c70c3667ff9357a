"""The page to approve on: one page, served on loopback to the owner's browser alone."""
