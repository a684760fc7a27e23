"""Labelled relevance data. Knows no model and no screen; `annotations.store.Store` is the way in."""
