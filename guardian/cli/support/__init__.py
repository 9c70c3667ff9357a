"""What commands share: the owner check, output, times, an opened home."""
