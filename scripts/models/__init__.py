"""The two real models of the demo, the benchmarks and the tests, and how their inputs and outputs are made.

`minilm_onnx` and `magika_onnx` put a model's ONNX file into a cache folder and return its path with the
shapes to pin; `magika_io` turns files into items and outputs into labels, `minilm_io` does it for lines of
text.
"""

from scripts.models.magika_io import magika_onnx
from scripts.models.minilm import minilm_onnx

__all__ = ["magika_onnx", "minilm_onnx"]
