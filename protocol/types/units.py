"""Units and identifiers as distinct types: bytes inside, hex at the edge; no floats in money."""

from typing import NewType

Address = NewType("Address", bytes)
"""An Ethereum address, 20 bytes."""
Hash32 = NewType("Hash32", bytes)
"""A 32-byte digest or Merkle root."""
LeaseId = NewType("LeaseId", bytes)
"""keccak256(owner, bidHash), 32 bytes."""
ArtifactId = NewType("ArtifactId", bytes)
"""Content address of a stored artifact, 32 bytes (`protocol.store.artifacts`)."""
Amount = NewType("Amount", int)
"""A sum of an ERC-20 token in its smallest unit."""
Wei = NewType("Wei", int)
"""A sum of the chain's native coin."""
BlockNo = NewType("BlockNo", int)
"""A reading of the Escrow's ERC-6372 clock: a block number, unless the deployment chose seconds."""
Blocks = NewType("Blocks", int)
"""A span of that clock."""

ZERO_ADDRESS = Address(bytes(20))
ZERO_HASH = Hash32(bytes(32))
