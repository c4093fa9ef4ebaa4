"""The HTTP API, version 1: one application, one table of operations, one file a resource."""
