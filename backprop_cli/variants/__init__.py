"""Other numbers for each student, of equal difficulty."""
