"""A change of a deployed environment: prepared, approved, executed as approved."""
