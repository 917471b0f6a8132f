"""Parsers under fire: hostile texts, the parsers they are given to, and what must hold of what these take."""
