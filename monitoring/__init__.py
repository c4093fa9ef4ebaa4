"""Is it still true: data quality, drift, realised accuracy."""
