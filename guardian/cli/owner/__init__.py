"""The commands of what proves that the owner agrees: passkeys and the PIN."""
