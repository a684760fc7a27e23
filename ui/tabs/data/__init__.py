"""Data: what is in a project, in and out of files, checked, frozen and kept safe."""

from ui.tabs.data.tab import DataTab, build_data_tab

__all__ = ["DataTab", "build_data_tab"]
