"""What we know about a customer as of a date."""
