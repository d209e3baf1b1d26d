"""The one list of named equations: expanded, differentiated backwards, updated."""
