"""The control API's view of serving: replicas and breakers."""
