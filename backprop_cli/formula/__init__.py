"""Written mathematics: the tree of a formula, its parser, its evaluation, its notations."""
