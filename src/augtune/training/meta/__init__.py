"""Weights learned by an outer loop: each row counts by what training on it does to a loss that is trusted."""
