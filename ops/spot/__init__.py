"""On a spot node: waits for the provider's notice that the node will be taken away, and then moves
the hub's Pods to others while there is time. A program of its own, which imports no Django.
"""
