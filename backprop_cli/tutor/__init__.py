"""A tutor: asks for one quantity after the other, hints from the step itself, judges as `check`."""
