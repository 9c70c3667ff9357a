"""The measurements, one module each. A section measures all subjects in turn, and adds its rows to the report."""
