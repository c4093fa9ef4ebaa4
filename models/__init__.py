"""What we predict, as code: churn, value and the documented rules."""
