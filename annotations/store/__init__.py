"""Every statement of the project, one file a group of tables. A public method is one transaction.

`Store` loads on first use, so that a module which needs only one of the parts does not load the whole.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from annotations.store.opening import Store

__all__ = ["Store"]


def __getattr__(name: str) -> Any:
    """Load `Store` when it is first asked for."""
    if name == "Store":
        from annotations.store.opening import Store

        return Store
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
