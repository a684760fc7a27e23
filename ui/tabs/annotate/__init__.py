"""Annotate: one passage, one key, one judgement, saved at once."""

from ui.tabs.annotate.tab import AnnotateTab, build_annotate_tab

__all__ = ["AnnotateTab", "build_annotate_tab"]
