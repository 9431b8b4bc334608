"""Autoscaling played on: a day's traffic, replicas as fast as measured, and HPA's own algorithm."""
