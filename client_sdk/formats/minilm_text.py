"""Text to MiniLM items and embeddings to similarities, with the package's own tokenizer."""

from pathlib import Path

import numpy as np

from client_sdk.formats.minilm_model import model_folder
from protocol.types.errors import InputError


def lines_of(path: Path) -> list[str]:
    """The file's non-empty lines, one item each. InputError if it is no UTF-8 text or has none."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as fault:
        raise InputError(f"cannot read {path}: {fault.strerror}") from fault
    except UnicodeDecodeError as fault:
        raise InputError(f"{path} is not UTF-8 text (byte {fault.start})") from fault
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    if not lines:
        raise InputError(f"{path} holds no text: nothing to embed")
    return lines


def items_of(lines: list[str], tokens: int = 128) -> dict[str, np.ndarray]:
    """Arrays `input_ids` and `attention_mask`, i32 of shape (items, 1, tokens); longer lines are cut."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(model_folder() / "tokenizer.json"))
    tokenizer.enable_truncation(tokens)
    tokenizer.enable_padding(length=tokens)
    encoded = tokenizer.encode_batch(lines)
    return {
        "input_ids": np.array([[e.ids] for e in encoded], np.int32),
        "attention_mask": np.array([[e.attention_mask] for e in encoded], np.int32),
    }


def nearest(lines: list[str], embeddings: np.ndarray, line: int, count: int = 3) -> list[tuple[float, str]]:
    """The `count` lines most like `lines[line]`, with cosine similarity, best first."""
    table = embeddings.reshape(len(lines), -1)
    likeness = table @ table[line]
    order = [int(index) for index in np.argsort(-likeness) if index != line][:count]
    return [(float(likeness[index]), lines[index]) for index in order]
