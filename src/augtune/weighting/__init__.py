"""How much each row counts, where that is known before training."""
