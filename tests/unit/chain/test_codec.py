"""Encoding, decoding and errors against the shipped ABIs; the typed records must not drift from them."""

import re
from pathlib import Path

import pytest
from eth_utils.abi import event_abi_to_log_topic, function_abi_to_4byte_selector

from protocol.chain import events
from protocol.chain.abi import NAMES, artifact
from protocol.chain.audit_events import Left
from protocol.chain.calls import Log
from protocol.chain.codec import Abi, decode_values, encode_values
from protocol.chain.errors import known_errors, revert_of
from protocol.chain.escrow import EscrowCalls
from protocol.chain.refusals import REFUSALS
from protocol.chain.staking import StakingCalls
from protocol.chain.views import LeaseState
from protocol.types import Address, BlockNo, BrokenInvariant, Hash32

ROOT = Path(__file__).parents[3]
HERE = Address(b"\5" * 20)


@pytest.mark.parametrize("name", NAMES)
def test_selectors_and_topics_are_those_of_eth_utils(name: str) -> None:
    ours, entries = Abi.shipped(name), artifact(name).abi
    functions = {e["name"]: function_abi_to_4byte_selector(e) for e in entries if e["type"] == "function"}
    assert {key: entry.topic[:4] for key, entry in ours.functions.items()} == functions
    events_of = [e for e in entries if e["type"] == "event"]
    assert set(ours.events) == {event_abi_to_log_topic(e) for e in events_of if not e["anonymous"]}
    unnamed = [e["name"] for e in events_of if e["anonymous"]]
    assert unnamed == ([ours.anonymous.name] if ours.anonymous else [])


def test_every_event_of_the_contracts_has_its_record() -> None:
    for name in ("Escrow", "Staking", "Disputes", "Delivery", "Audits"):
        abi = Abi.shipped(name)
        for entry in (*abi.events.values(), *filter(None, [abi.anonymous])):
            if entry.name == "EIP712DomainChanged":
                continue
            cls = events._CLASSES[name, entry.name]
            fields = {events._field(argument) for argument, _, _ in entry.inputs}
            assert {"at", *fields} == set(cls.__dataclass_fields__), entry.name
            assert len(entry.topic) == 32


def test_every_entry_point_can_be_called() -> None:
    reads = {
        "lock",
        "unlock",
        "freeze",
        "release",
        "convict",
        "burnFeeInProtest",
    }  # Escrow's and the judges' own
    for name, calls in (("Escrow", EscrowCalls), ("Staking", StakingCalls)):
        built = {method for method in dir(calls) if not method.startswith("_")}
        for entry in artifact(name).abi:
            if entry["type"] == "function" and entry["stateMutability"] in ("nonpayable", "payable"):
                assert entry["name"] in reads or events._field(entry["name"]) in built, entry["name"]


def test_lease_states_are_those_of_the_contract() -> None:
    source = (ROOT / "contracts/src/types/Types.sol").read_text()
    body = re.search(r"enum LeaseState \{(.*?)\}", source, re.DOTALL)
    assert body is not None
    names = re.findall(r"^\s*([A-Z]\w*)", body[1], re.MULTILINE)
    assert [re.sub(r"(?<=.)([A-Z])", r"_\1", n).upper() for n in names] == [s.name for s in LeaseState]


def test_every_custom_error_decodes_with_its_evidence() -> None:
    assert {"Escrow_TooFewCredits", "Staking_OverStake", "ERC20InsufficientBalance"} <= {
        entry.name for entry in known_errors().values()
    }
    for selector, entry in known_errors().items():
        samples = {"string": "word", "address": HERE, "bytes32": b"\7" * 32}
        kinds = [kind for _, kind, _ in entry.inputs]
        data = encode_values(kinds, [samples.get(kind, 7) for kind in kinds])
        error = revert_of(selector + data, "Escrow.call")
        assert error.name == entry.name
        assert list(error.evidence) == [name for name, _, _ in entry.inputs]
        assert "\n" not in str(error)


def test_foreign_and_broken_revert_data_never_raise_anything_else() -> None:
    assert revert_of(b"").name == ""
    # A hostile contract's text that is no UTF-8, or of a length that no memory has.
    for length in (1, 1 << 200):
        text = (32).to_bytes(32, "big") + length.to_bytes(32, "big") + b"\xff" * 32
        assert revert_of(bytes.fromhex("08c379a0") + text).name == ""
    assert "reverted without a reason" in str(revert_of(b"", "Escrow.start"))
    assert "0x12345678" in str(revert_of(bytes.fromhex("12345678")))
    cut = next(iter(known_errors()))
    assert revert_of(cut + b"\1").name == ""
    text = bytes.fromhex("08c379a0") + bytes.fromhex(f"{32:064x}{2:064x}") + b"no".ljust(32, b"\0")
    assert revert_of(text).evidence == {"reason": "no"}
    assert revert_of(bytes.fromhex("4e487b71") + (0x11).to_bytes(32, "big")).evidence == {"code": 0x11}
    reason = bytes.fromhex(
        "".join(e.topic[:4].hex() for e in known_errors().values() if e.name == "Escrow_BadBid")
    )
    assert str(revert_of(reason + b"grace".ljust(32, b"\0"))) == "Escrow_BadBid: reason grace"


def test_logs_of_others_are_ignored_and_lies_of_ours_stop_us() -> None:
    abi = Abi.shipped("Staking")

    def log(topics: tuple[bytes, ...], data: bytes) -> Log:
        return Log(HERE, topics, data, BlockNo(1), Hash32(bytes(32)), 0, Hash32(bytes(32)))

    assert events.decode_event(abi, log((b"\1" * 32,), b"")) is None
    assert events.decode_event(abi, log((), b"")) is None
    topic = next(topic for topic, entry in abi.events.items() if entry.name == "Staked")
    owner, token = bytes(12) + HERE, bytes(32)
    event = events.decode_event(abi, log((topic, owner, token), (9).to_bytes(32, "big")))
    assert isinstance(event, events.Staked)
    assert (event.owner, event.token, event.amount) == (HERE, 0, 9)
    with pytest.raises(BrokenInvariant):
        events.decode_event(abi, log((topic, owner, token), b"\1"))
    for topics in ((topic,), (topic, owner), (topic, owner, token, token)):
        with pytest.raises(BrokenInvariant, match=f"{len(topics) - 1} topics of 2"):
            events.decode_event(abi, log(topics, (9).to_bytes(32, "big")))


def test_an_auditors_place_in_the_list_is_no_place_in_a_trace() -> None:
    abi = Abi.shipped("Audits")
    topics = (events.topic_of(abi, "Left"), bytes(12) + HERE)
    log = Log(HERE, topics, (3).to_bytes(32, "big"), BlockNo(1), Hash32(bytes(32)), 0, Hash32(bytes(32)))
    event = events.decode_event(abi, log)
    assert isinstance(event, Left)
    assert (event.auditor, event.place) == (HERE, 3)


def test_nested_values_become_bytes_ints_and_tuples() -> None:
    kinds = ["(address,(uint8,bytes32)[])[]", "address[]"]
    from eth_abi.abi import encode

    data = encode(kinds, [[(HERE, [(1, b"\2" * 32)])], [HERE]])
    assert decode_values(kinds, data, "test") == (((HERE, ((1, b"\2" * 32),)),), (HERE,))
    with pytest.raises(BrokenInvariant, match="another version"):
        decode_values(kinds, data[:40], "test")


def test_each_refusal_of_a_game_says_what_is_wrong_and_what_to_do() -> None:
    names = {entry.name for entry in known_errors().values()}
    assert {
        name for name in names if name.startswith(("Disputes_", "Delivery_", "Referee_", "Audits_"))
    } == set(REFUSALS)
    for name, refusal in REFUSALS.items():
        assert refusal.wrong, name
        assert refusal.advice, name


def test_a_refusal_of_a_game_names_phase_and_remedy() -> None:
    entry = next(entry for entry in known_errors().values() if entry.name == "Disputes_WrongPhase")
    data = entry.topic[:4] + encode_values(["bytes32", "uint8"], [b"\1" * 32, 3])
    error = revert_of(data, "Disputes.pick")
    assert error.evidence == {"game": b"\1" * 32, "phase": 3}
    assert "Disputes.pick refused: the game is not in a phase" in error.message
    assert "phase REVEAL" in error.message
    assert error.advice
