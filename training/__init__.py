"""How a model earns its place: labels, snapshots, splits, fitting, evaluation, gates."""
