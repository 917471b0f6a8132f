"""Providers: who answers requests in the end."""
