"""The alert rules of RULES §2, one function a rule: a customer's case in, whether and why it holds out."""
