"""What scripts/cross is made of."""
