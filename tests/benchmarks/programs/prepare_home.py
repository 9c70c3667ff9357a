"""Makes a new home ready, by the code of the checkout that is measured: `prepare_home.py HOME [CREDENTIALS]`.

With a folder for credentials it also makes a vault with a token for clients over HTTP, writes the vault's passphrase
where systemd would put it, and prints the token.
"""

from __future__ import annotations

import secrets
import sys
from pathlib import Path


def main() -> None:
    """Makes the log, and what HTTP needs."""
    from guardian.store.opening import begin_log

    home = Path(sys.argv[1])
    home.mkdir(mode=0o700, exist_ok=True)
    begin_log(home)
    if len(sys.argv) > 2:
        from guardian.credentials.store import CredentialStore
        from tests.e2e.support.vaulted import credential_in
        from tests.support.vaults import vault_in

        item = CredentialStore(vault_in(home)).http_token(home.resolve())
        sys.stdout.write(item.create(secrets.token_bytes).reveal())
        credential_in(Path(sys.argv[2]))


if __name__ == "__main__":
    main()
