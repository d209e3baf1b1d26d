"""The tables: activations, losses, optimizers, initializers, one row each."""
