"""The Train tab."""

from ui.tabs.train.tab import TrainTab, build_train_tab

__all__ = ["TrainTab", "build_train_tab"]
