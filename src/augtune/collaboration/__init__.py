"""A classifier and a language model together: one asks the other, or each takes the rows it is better at."""
