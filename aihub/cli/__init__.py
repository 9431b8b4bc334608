"""The command `aihub`: a client of the hub over HTTP that imports nothing of the hub itself."""
