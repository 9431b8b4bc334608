"""What `docker compose up` needs beside the compose file: a `.env` of its own."""
