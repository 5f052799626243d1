"""Rules by which a band of two sources' decompositions becomes one: plain functions of the two bands."""
