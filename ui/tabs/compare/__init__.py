"""Compare: a query, passages and models → scores and ranks side by side."""

from ui.tabs.compare.tab import CompareTab, build_compare_tab

__all__ = ["CompareTab", "build_compare_tab"]
