"""Webhooks: events written with what they tell, then delivered at least once, signed, to targets that are checked."""
