"""A new version takes over in steps, as fast as the evidence allows, and goes by itself where the evidence is against it."""
