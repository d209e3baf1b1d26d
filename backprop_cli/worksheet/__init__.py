"""What stands on a sheet, as a document of words and formulas."""
