"""Choosing: which way of using the rows there are makes the best classifier, judged on human rows alone."""
