"""Tests of augtune.llm."""
