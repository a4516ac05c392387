"""What a challenge starts from, written down and found again by name."""

import json
from pathlib import Path

import pytest

from client_sdk.evidence import Evidence, find_evidence, read_evidence
from client_sdk.home import ClientHome
from protocol.messages import Domain
from protocol.types import Address, ArtifactId, InputError
from tests.unit.auction import answers

BID = answers.bid(1)
EVIDENCE = Evidence(
    "local",
    Domain(31337, Address(b"e" * 20)),
    BID,
    ArtifactId(b"s" * 32),
    ArtifactId(b"o" * 32),
    1234,
    Address(b"p" * 20),
)


def test_it_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "evidence.json"
    EVIDENCE.write(path)
    assert read_evidence(path) == EVIDENCE


@pytest.mark.parametrize("field", ["escrow", "bid", "spec", "outputs", "output_bytes", "provider"])
def test_what_is_missing_or_malformed_is_named_with_the_file(tmp_path: Path, field: str) -> None:
    path = tmp_path / "evidence.json"
    EVIDENCE.write(path)
    whole = json.loads(path.read_text())
    for changed in ({**whole, field: None}, {name: whole[name] for name in whole if name != field}):
        path.write_text(json.dumps(changed))
        with pytest.raises(InputError, match=r"evidence\.json"):
            read_evidence(path)
    path.write_text(json.dumps({**whole, "more": 1}))
    with pytest.raises(InputError, match="unknown field more"):
        read_evidence(path)


def test_a_job_is_found_by_its_name_and_a_file_by_its_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GAVEL_HOME", str(tmp_path))
    folder = ClientHome.of("local").new_job()
    folder.write("job", {"created": 1.0})
    with pytest.raises(InputError, match="no outputs that were checked"):
        find_evidence("last", "local")
    folder.receipt.write_text("{}")
    assert find_evidence(folder.id, "local") == folder.receipt
    EVIDENCE.write(folder.evidence)
    assert find_evidence("last", "local") == folder.evidence, "it needs nobody's signature"
    assert find_evidence(str(folder.receipt), "local") == folder.receipt
    with pytest.raises(InputError, match="cannot read"):
        read_evidence(find_evidence(str(tmp_path / "gone.json"), "local"))
    with pytest.raises(InputError, match="there is no job"):
        find_evidence("abcdef", "local")
