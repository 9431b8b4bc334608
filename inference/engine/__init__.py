"""What runs models: the pool, batches, breakers, and the routes that are live. No Django."""
