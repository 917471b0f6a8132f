"""Where the p of a difference comes from: one file for each way, one row of the catalog ``TESTS`` for each test."""
