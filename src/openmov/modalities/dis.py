"""DIS optical flow, for previews: The only way to OpenCV, which is an extra and no part of the package.

Dense inverse search (Kroeger et al., ECCV 2016) with OpenCV's preset "medium"; nothing of the paper was measured with
it. Knows nothing of videos, clamping or storage.
"""

import numpy as np
from jaxtyping import Float32, UInt8

from openmov.errors import RecipeError


def dis(
    first: UInt8[np.ndarray, "height width"], second: UInt8[np.ndarray, "height width"]
) -> Float32[np.ndarray, "height width 2"]:
    """Displacement in pixels, x then y, from the first grey picture to the second.

    Raises RecipeError where OpenCV is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        hint = "pip install 'openmov[dis]', or take flow.method=tvl1"
        raise RecipeError("flow.method", "dis needs OpenCV, which is not installed", hint) from error
    solver = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)  # one a pair: it keeps its last pyramid
    flow: Float32[np.ndarray, "..."] = solver.calc(first, second, None)
    return flow
