"""Work backpropagation by hand: solve, explain and mark worksheets."""

__version__ = "0.1.0"
