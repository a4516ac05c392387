"""NumPy, loaded when it is first used.

Daemons read shapes, sizes and hashes of tapes and never values: so they carry no numerical library.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[Any]
else:
    Array = Any

    class _Late:
        def __getattr__(self, name: str) -> Any:
            import numpy

            value = getattr(numpy, name)
            setattr(self, name, value)
            return value

    np = _Late()

__all__ = ["Array", "np"]
