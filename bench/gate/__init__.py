"""The gate on scores: whether one has moved, since the last record or little by little since a release."""
