"""Prediction over HTTP as a raw ASGI application: no Django, no query, nothing that blocks."""
