"""Resize by scales and sizes: sizes, picks and weights are onnxruntime's, for the factors that models use."""

import numpy as np
import pytest
from onnx import helper

FACTORS = [0.2, 0.3, 0.5, 0.6, 0.7, 0.75, 0.9, 1.1, 1.3, 1.4, 1.5, 1.6, 2, 2.2, 3.3]
SIZES = [3, 7, 10, 20, 64, 100, 320, 640]


def resize(bench, n, scale, opset=13, **attributes):
    x = np.arange(n, dtype=np.float32).reshape(1, 1, n)
    node = helper.make_node("Resize", ["x", "", "s"], ["y"], **attributes)
    scales = {"s": np.array([1, 1, scale], np.float32)}
    return bench.hold(node, {"x": x}, constants=scales, opset=opset, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("factor", FACTORS)
@pytest.mark.parametrize(
    "attributes",
    [
        {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"},
        {
            "mode": "nearest",
            "coordinate_transformation_mode": "half_pixel",
            "nearest_mode": "ceil",
        },
        {"mode": "linear", "coordinate_transformation_mode": "half_pixel"},
        {"mode": "linear", "coordinate_transformation_mode": "pytorch_half_pixel"},
        {"mode": "linear", "coordinate_transformation_mode": "align_corners"},
    ],
    ids=lambda each: "-".join(each.values()),
)
def test_scales(bench, factor, attributes):
    for n in SIZES:
        # A size that stays is copied there whatever the factor; ONNX knows no such rule.
        if int(np.float32(n) * np.float32(factor)) not in (0, n):
            resize(bench, n, factor, **attributes)


def test_a_size_that_only_f32_reaches(bench):
    tape = resize(bench, 320, 0.7, mode="linear", coordinate_transformation_mode="half_pixel")
    assert tape.types[-1].shape == (1, 1, 224)


@pytest.mark.parametrize("size", [1, 3, 9, 14, 40])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("places", ["half_pixel", "align_corners", "asymmetric", "half_pixel_symmetric"])
def test_sizes(bench, draw, size, mode, places):
    node = helper.make_node(
        "Resize", ["x", "", "", "z"], ["y"], mode=mode, coordinate_transformation_mode=places
    )
    # Cubic is onnxruntime's for two axes alone.
    constants = {"z": np.array([1, 1, size, size])}
    bench.hold(node, {"x": draw(1, 1, 10, 10)}, constants=constants, opset=19, rtol=1e-4, atol=1e-4)
