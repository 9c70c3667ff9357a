"""The names of the files in guardian's home that the store keeps."""

from __future__ import annotations

from typing import Final

DATABASE_NAME: Final = "guardian.db"
LOCK_NAME: Final = "guardian.lock"
CHECKPOINT_NAME: Final = "audit.checkpoint"
CHECKPOINT_LOCK_NAME: Final = "checkpoint.lock"
EMERGENCY_NAME: Final = "emergency.log"
EMERGENCY_LOCK_NAME: Final = "emergency.lock"
