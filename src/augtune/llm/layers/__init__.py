"""Layers: providers that wrap a provider and add one concern each."""
