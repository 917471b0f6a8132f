"""The command line: one file per group of commands, whose bodies load what they need when they run."""
