"""Other servers of models, each written as a team would that follows the server's own guide.

Each module runs in an environment of its own, that `bench.environments` makes.
"""
