"""The pages that people open: rendered on the server, without scripts and without other hosts."""
