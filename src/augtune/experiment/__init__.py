"""One experiment file to one run folder: the plan, the stages, resume, results and the verdict."""
