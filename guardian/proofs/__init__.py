"""Verifies what a person gives to prove that they agree: passkeys by WebAuthn, and the PIN. No I/O."""
