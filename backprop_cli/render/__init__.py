"""A document in one format after the other; knows no graph, no problem, no run."""
