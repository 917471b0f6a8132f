"""Values, errors and files that every floor above uses."""
