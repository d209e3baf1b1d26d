"""What a problem file says, and the reader that keeps the place of every word."""
