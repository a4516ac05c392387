"""Reads ONNX models and lowers them to tapes."""

from protocol.engines.onnx.lower import lower
from protocol.engines.onnx.reader import Model, read_model

__all__ = ["Model", "lower", "read_model"]
