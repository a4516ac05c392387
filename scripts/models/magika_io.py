"""Files to items for magika's model: as `client_sdk.formats` does it for job files."""

from client_sdk.formats.magika_features import (
    Batch,
    Label,
    MagikaConfig,
    decode,
    features_of,
    files_under,
    label_of,
    load_config,
    magika_onnx,
    prepare,
)

__all__ = [
    "Batch",
    "Label",
    "MagikaConfig",
    "decode",
    "features_of",
    "files_under",
    "label_of",
    "load_config",
    "magika_onnx",
    "prepare",
]
