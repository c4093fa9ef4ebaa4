"""Who may do what at the service's door, who did it, and how a customer is forgotten."""
