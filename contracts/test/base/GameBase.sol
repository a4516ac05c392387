// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {IReferee} from "../../src/interfaces/IReferee.sol";
import {Case, DisputeTerms, Job, Position} from "../../src/types/DisputeTypes.sol";
import {Bid, ClockKind, Deployment, LeaseId, Seat} from "../../src/types/Types.sol";
import {Base} from "./Base.sol";
import {Deployer} from "./Deployer.sol";
import {vm} from "./Vm.sol";

/// @notice A deployment whose judge is `Disputes`, and sparse trees to play games over: trees whose other branches
/// are any words, which is all that a proof can tell of them.
abstract contract GameBase is Base {
    bytes32 internal constant TAG_PROGRAM = keccak256("gavel.tape.program.v1");
    bytes32 internal constant TAG_NODE = keccak256("gavel.tape.node.v1");
    bytes32 internal constant TAG_ITEM = keccak256("gavel.tape.item.v1");
    uint32 internal constant MOVE_CLOCK = 30;
    uint32 internal constant INCREMENT = 10;
    uint32 internal constant CLAIM_PERIOD = 10;
    uint64 internal constant TIP = 1 gwei;
    address internal constant CHALLENGER = 0x71C7656EC7ab88b098defB751B7401B5f6d8976F;

    Deployer private _deployer;
    IReferee internal referee;
    IDisputes internal disputes;

    function setUp() public virtual override {
        vm.fee(1 gwei);
        vm.txGasPrice(1 gwei);
        _deployer = new Deployer();
        super.setUp();
        referee = IReferee(vm.deployCode("Referee.sol:Referee", ""));
        bytes memory arguments = abi.encode(address(escrow), address(referee), disputeTerms());
        disputes = IDisputes(_deployer.create(bytes.concat(vm.getCode("Disputes.sol:Disputes"), arguments)));
        yes(escrow.kindOf(address(disputes)) == TAPE, "the seat was predicted");
        vm.deal(CHALLENGER, 100 ether);
        vm.deal(operator, 100 ether);
    }

    function deployer() internal view returns (Deployer) {
        return _deployer;
    }

    function disputeTerms() internal pure virtual returns (DisputeTerms memory t) {
        t.clockKind = ClockKind.BlockNumber;
        (t.moveClock, t.increment, t.claimPeriod, t.tip) = (MOVE_CLOCK, INCREMENT, CLAIM_PERIOD, TIP);
        t.coinPrices[0] = 1e12;
    }

    /// @dev Seats the first contract of the deployer.
    function deployment() internal view virtual override returns (Deployment memory d) {
        d = super.deployment();
        Seat memory first = d.seats[0];
        d.seats = new Seat[](2);
        d.seats[0] = first;
        d.seats[1] = Seat(vm.computeCreateAddress(address(_deployer), 1), TAPE);
    }

    // ------------------------------------------------------------------------------------------------- moves

    /// @dev The next call is a plain transaction of this key.
    function as_(address who) internal {
        vm.prank(who, who);
    }

    function caseOf(bytes32[6] memory bid, uint256 item, bytes32 itemRoot) internal view returns (Case memory) {
        return Case(idOf(bid), bid[2], item, itemRoot);
    }

    function idOfCase(Case memory c) internal pure returns (bytes32) {
        return cut(keccak256(abi.encode(c)));
    }

    function gameId(Case memory c, address challenger, bytes32 seal) internal pure returns (bytes32) {
        return cut(keccak256(abi.encode(idOfCase(c), challenger, seal)));
    }

    function tagOf(bytes32 game) internal view returns (uint48) {
        return disputes.gameOf(game).tag;
    }

    function siteOf(bytes memory header, uint256 facts) internal pure returns (bytes32) {
        return pair(keccak256(header), bytes32(facts));
    }

    // ------------------------------------------------------------------------------------------------- trees

    function pair(bytes32 a, bytes32 b) internal pure returns (bytes32) {
        return cut(keccak256(abi.encodePacked(a, b)));
    }

    /// @dev As every hash in a tree is.
    function cut(bytes32 hash) internal pure returns (bytes32) {
        return bytes32(bytes24(hash));
    }

    function leafHash(bytes memory one) internal pure returns (bytes32) {
        return cut(keccak256(one));
    }

    /// @dev Any word, the same for the same number.
    function any(uint256 seed) internal pure returns (bytes32) {
        return cut(keccak256(abi.encode("any", seed)));
    }

    function climb(bytes32 node, uint256 index, bytes32[] memory siblings) internal pure returns (bytes32) {
        for (uint256 i; i < siblings.length; ++i) {
            node = index >> i & 1 == 1 ? pair(siblings[i], node) : pair(node, siblings[i]);
        }
        return node;
    }

    function leftOf(bytes32 left, uint256 index, bytes32[] memory siblings) internal pure returns (bytes32) {
        for (uint256 i = siblings.length; i > 0; --i) {
            if (index >> (i - 1) & 1 == 1) left = pair(left, siblings[i - 1]);
        }
        return left;
    }

    /// @dev Siblings that are any words.
    function proof(uint256 seed, uint256 depth) internal pure returns (bytes32[] memory siblings) {
        siblings = new bytes32[](depth);
        for (uint256 i; i < depth; ++i) {
            siblings[i] = any(seed + i);
        }
    }

    /// @dev `count` nodes that are any words, but one.
    function row(uint256 seed, uint256 count, uint256 index, bytes32 node) internal pure returns (bytes32[] memory) {
        bytes32[] memory nodes = proof(seed, count);
        nodes[index] = node;
        return nodes;
    }

    /// @dev From node `index` of a row up to the row's root.
    function upFrom(bytes32[] memory nodes, uint256 index)
        internal
        pure
        returns (bytes32[] memory siblings, bytes32 root)
    {
        uint256 depth;
        while (1 << depth < nodes.length) ++depth;
        siblings = new bytes32[](depth);
        bytes32[] memory level = nodes;
        for (uint256 i; i < depth; ++i) {
            siblings[i] = level[index >> i ^ 1];
            bytes32[] memory next = new bytes32[](level.length / 2);
            for (uint256 j; j < next.length; ++j) {
                next[j] = pair(level[2 * j], level[2 * j + 1]);
            }
            level = next;
        }
        root = level[0];
    }

    function part(bytes32[] memory nodes, uint256 first, uint256 count) internal pure returns (bytes32[] memory some) {
        some = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            some[i] = nodes[first + i];
        }
    }

    // --------------------------------------------------------------------------------------------------- job

    function jobHashOf(Job memory job) internal pure returns (bytes32) {
        bytes32 root = keccak256(
            abi.encode(
                TAG_PROGRAM,
                job.program.inputs,
                job.program.constants,
                job.program.nodes,
                job.program.outputs,
                job.program.inputsRoot,
                job.program.constantsRoot,
                job.program.nodesRoot
            )
        );
        return keccak256(abi.encode(root, job.inputRoot, job.items));
    }

    function itemRootOf(bytes32[] memory roots) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(TAG_ITEM, roots));
    }

    /// @dev A started lease for this job whose result is posted after some work.
    function posted(Job memory job, bytes32 outputRoot) internal returns (bytes32[6] memory bid) {
        Bid memory b = jobBid();
        b.jobHash = jobHashOf(job);
        return posted(b, outputRoot);
    }

    function posted(Bid memory b, bytes32 outputRoot) internal returns (bytes32[6] memory bid) {
        bid = openAndStart(b);
        run(bid, 40);
        withdraw(bid);
        post(bid, outputRoot);
        skip(1);
    }

    /// @dev A number of ordinary size, as the bits of a binary32.
    function number(uint256 seed) internal pure returns (uint32) {
        uint256 random = uint256(keccak256(abi.encode("any", seed)));
        return uint32((random & 0x807FFFFF) | ((123 + ((random >> 40) & 7)) << 23));
    }

    function swapped(uint32 x) internal pure returns (uint32) {
        return (x << 24) | ((x & 0xFF00) << 8) | ((x >> 8) & 0xFF00) | (x >> 24);
    }

    /// @dev 128 bytes: 32 ordinary numbers, little-endian.
    function leaf(uint256 seed) internal pure returns (bytes memory data) {
        for (uint256 i; i < 32; ++i) {
            data = bytes.concat(data, bytes4(swapped(number(seed * 1000 + i))));
        }
    }
}
