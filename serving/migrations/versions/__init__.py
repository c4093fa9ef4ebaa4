"""One script a change of the tables, in the order of their `down_revision`; a script is never edited once released."""
