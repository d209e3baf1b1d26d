"""What is derived rather than written: derivatives, cancellations, proofs, precise numbers.

The only room SymPy lives in, and each function here imports it when it first needs it: a sheet
of sums and products, `--help` and `list` never do.
"""
