"""MiniLM's ONNX graph: as `client_sdk.formats` builds it for job files."""

from client_sdk.formats.minilm_model import LAYERS, build_minilm, load_weights, minilm_onnx, model_folder

__all__ = ["LAYERS", "build_minilm", "load_weights", "minilm_onnx", "model_folder"]
