"""Counts the orders that only a key of their account can query and cancel."""

from __future__ import annotations

from guardian.errors import StoreError
from guardian.home.folder import home_folder
from guardian.store.database import Store
from guardian.store.schema.files import DATABASE_NAME
from guardian.system.clock import SYSTEM_CLOCK


def pending_orders(environment: str) -> int:
    """How many of guardian's orders of an environment are open or not resolved; 0 where the log cannot be read."""
    home = home_folder()
    if not (home / DATABASE_NAME).is_file():
        return 0
    try:
        store = Store.open(home, SYSTEM_CLOCK)
        try:
            with store.transaction() as tx:
                rows = (*tx.orders.unresolved(None), *tx.orders.live(None))
                return sum(row.environment == environment for row in rows)
        finally:
            store.close()
    except StoreError:
        return 0
