"""Back into the CRM: scores and alerts as CSV, Parquet, or rows of a PostgreSQL table, under the CRM's own names."""
