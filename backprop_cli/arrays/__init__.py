"""Arrays: equations between vectors and matrices, written out as equations between numbers."""
