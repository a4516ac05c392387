"""Reads ONNX models and lowers them to tapes."""
