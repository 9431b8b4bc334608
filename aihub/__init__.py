"""The project: settings, composition, and what every app may use. Nothing here knows an app."""

__version__ = "0.1.0"
