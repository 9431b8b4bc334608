"""The Open Inference Protocol: what REST and gRPC share, and REST itself."""
