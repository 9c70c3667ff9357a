"""What the store keeps of the owner: passkeys, PIN, changes that wait, session mandates, approved policies."""
