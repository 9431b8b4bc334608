"""Searches: `language` reads them, `fields` knows what may be compared, `conditions` finds rows."""
