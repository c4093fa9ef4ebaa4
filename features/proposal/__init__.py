"""What `remora init` proposes: tables and columns matched by name and value, definition, horizons, profile."""
