"""What a reply says of what guardian knows."""
