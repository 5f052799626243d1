"""How two registered images become one: a file for each method."""
