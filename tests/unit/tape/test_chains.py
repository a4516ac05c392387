"""Running values of whole chains at once equal those of one segment after another."""

from random import Random

from protocol.dispute.trace import Trace
from protocol.tape import Contract, Reduce
from tests.dispute_cast import work
from tests.steps import running
from tests.strategies.long_tapes import long_tape
from tests.strategies.tapes import random_tape


def test_running_values_are_those_of_the_steps() -> None:
    rng, seen = Random(4), set()
    for number in range(30):
        tape, item = long_tape(rng, 1) if number == 0 else random_tape(rng, 8)
        job = work(rng, tape, item)
        trace = Trace(job.plan, job.item, job.values)
        for index, node in enumerate(tape.nodes):
            kind = tape.types[tape.first_node + index]
            if not isinstance(node, Contract | Reduce) or not kind.elements:
                continue
            element = rng.randrange(kind.elements)
            _, chain = trace._chain(index)
            site = trace.site(index, element)
            cases = running(job.plan.headers[index], site, job.values, chain)
            assert trace.running(index, element) == [case.result.value for case in cases]
            seen.add((type(node), node.dtype, chain.length % 256 > 0, chain.length > 256, chain.terms))
    assert len(seen) >= 8
