"""The schema of the rule pack, one file a section."""
