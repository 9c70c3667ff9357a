"""The files in guardian's home that the store knows of: their names, and the two numbers in the database's header."""

from __future__ import annotations

from typing import Final

POLICY_NAME: Final = "policy.toml"
"""The owner's own policy; beside it a log that is not there is lost, and not new."""
DATABASE_NAME: Final = "guardian.db"
LOCK_NAME: Final = "guardian.lock"
CHECKPOINT_NAME: Final = "audit.checkpoint"
CHECKPOINT_LOCK_NAME: Final = "checkpoint.lock"
EMERGENCY_NAME: Final = "emergency.log"
EMERGENCY_LOCK_NAME: Final = "emergency.lock"

APPLICATION_ID: Final = 0x67726431
"""`grd1`, in the header of the database: what it is."""
SCHEMA_VERSION: Final = 6
"""`user_version`: raised once by each release that changes the tables; see `guardian.store.migrations`."""
