"""How a release reaches a cluster, and how it is tried there; docs/ci.md."""
