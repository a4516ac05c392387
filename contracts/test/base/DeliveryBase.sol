// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Base} from "./Base.sol";
import {Deployer} from "./Deployer.sol";
import {TestTree} from "./TestTree.sol";
import {vm} from "./Vm.sol";
import {IDelivery} from "../../src/interfaces/IDelivery.sol";
import {IDisputes} from "../../src/interfaces/IDisputes.sol";
import {DeliveryTerms, Kind, OutputProof, SizeProof, Wanted} from "../../src/types/DeliveryTypes.sol";
import {Case, DisputeTerms, Job, Program} from "../../src/types/DisputeTypes.sol";
import {Bid, ClockKind, Deployment, Seat} from "../../src/types/Types.sol";

/// @notice A deployment with Disputes and Delivery, and a posted job of three items with two outputs: f32[100,32], a tree
/// of 100 leaves and seven levels, and i32[5], one leaf.
abstract contract DeliveryBase is Base {
    using TestTree for bytes32[][];

    address internal constant DELEGATE = address(0xDE1E6A7E);
    uint32 internal constant CLOCK = 12;
    uint32 internal constant CLAIM_PERIOD = 7;
    uint64 internal constant TIP = 1 gwei;
    uint256 internal constant BASE_FEE = 3 gwei;
    uint256 internal constant ITEMS = 3;
    uint256 internal constant LEAVES = 100;
    bytes internal constant BIG = hex"01010200000064000000200000";
    bytes internal constant SMALL = hex"010201000000050000";

    Deployer private _deployer;
    IDisputes internal disputes;
    IDelivery internal delivery;
    bytes32[6] internal bid;
    address[] internal none;

    function setUp() public virtual override {
        _deployer = new Deployer();
        super.setUp();
        address referee = vm.deployCode("Referee.sol:Referee", "");
        DisputeTerms memory d;
        d.clockKind = ClockKind.BlockNumber;
        (d.moveClock, d.increment, d.claimPeriod, d.tip) = (20, 2, CLAIM_PERIOD, TIP);
        bytes memory code = bytes.concat(vm.getCode("Disputes.sol:Disputes"), abi.encode(escrow, referee, d));
        disputes = IDisputes(_deployer.create(code));
        DeliveryTerms memory t = DeliveryTerms(ClockKind.BlockNumber, address(0), CLOCK, TIP, 0);
        code = bytes.concat(vm.getCode("Delivery.sol:Delivery"), abi.encode(escrow, disputes, referee, t));
        delivery = IDelivery(_deployer.create(code));
        vm.fee(BASE_FEE);
        vm.txGasPrice(BASE_FEE + TIP);
        vm.deal(CLIENT, 1000 ether);
        vm.deal(STRANGER, 1000 ether);
        bid = posted(tapeBid());
    }

    /// @dev Seats the deployer's first two contracts.
    function deployment() internal view virtual override returns (Deployment memory d) {
        d = super.deployment();
        d.seats = new Seat[](3);
        d.seats[0] = Seat(address(judge), TAPE);
        d.seats[1] = Seat(vm.computeCreateAddress(address(_deployer), 1), TAPE);
        d.seats[2] = Seat(vm.computeCreateAddress(address(_deployer), 2), TAPE);
    }

    // ------------------------------------------------------------------------------------------------ the job

    function tapeBid() internal view returns (Bid memory b) {
        b = jobBid();
        b.jobHash = jobHash();
        b.delegates = keccak256(abi.encodePacked(DELEGATE));
    }

    function posted(Bid memory b) internal returns (bytes32[6] memory opened) {
        opened = openAndStart(b);
        skip(5);
        post(opened, itemsTree().root());
    }

    function job() internal pure returns (Job memory j) {
        Program memory p = Program(1, 0, 3, 2, "inputs", 0, headersTree().root());
        return Job(p, "input", uint32(ITEMS));
    }

    function jobHash() internal pure returns (bytes32) {
        return hashOf(job());
    }

    function hashOf(Job memory j) internal pure returns (bytes32) {
        Program memory p = j.program;
        bytes32 root = keccak256(
            abi.encode(
                keccak256("gavel.tape.program.v1"),
                p.inputs,
                p.constants,
                p.nodes,
                p.outputs,
                p.inputsRoot,
                p.constantsRoot,
                p.nodesRoot
            )
        );
        return keccak256(abi.encode(root, j.inputRoot, j.items));
    }

    function headersTree() internal pure returns (bytes32[][] memory) {
        bytes32[] memory leaves = new bytes32[](3);
        bytes32 tag = keccak256("gavel.tape.node.v1");
        leaves[0] = keccak256(abi.encodePacked(tag, "inner"));
        leaves[1] = keccak256(abi.encodePacked(tag, BIG));
        leaves[2] = keccak256(abi.encodePacked(tag, SMALL));
        return TestTree.build(leaves, 0);
    }

    function leaf(uint256 item, uint256 output, uint256 index) internal pure returns (bytes memory data) {
        bytes32 word = keccak256(abi.encode(item, output, index));
        if (output == 1) return abi.encodePacked(bytes20(word), bytes12(0), bytes32(0), bytes32(0), bytes32(0));
        return abi.encodePacked(word, ~word, word ^ bytes32(uint256(1)), keccak256(abi.encode(word)));
    }

    function tensor(uint256 item, uint256 output) internal pure returns (bytes32[][] memory) {
        bytes32[] memory leaves = new bytes32[](output == 0 ? LEAVES : 1);
        for (uint256 i; i < leaves.length; ++i) {
            leaves[i] = TestTree.leafHash(leaf(item, output, i));
        }
        return TestTree.build(leaves, TestTree.leafHash(new bytes(128)));
    }

    function rootsOf(uint256 item) internal pure returns (bytes32[] memory roots) {
        roots = new bytes32[](2);
        (roots[0], roots[1]) = (tensor(item, 0).root(), tensor(item, 1).root());
    }

    function itemRoot(uint256 item) internal pure returns (bytes32) {
        return keccak256(abi.encodePacked(keccak256("gavel.tape.item.v1"), rootsOf(item)));
    }

    function itemsTree() internal pure returns (bytes32[][] memory) {
        bytes32[] memory leaves = new bytes32[](ITEMS);
        for (uint256 i; i < ITEMS; ++i) {
            leaves[i] = itemRoot(i);
        }
        return TestTree.build(leaves, 0);
    }

    function outputProof(uint256 item, uint256 output) internal pure returns (OutputProof memory) {
        return OutputProof(
            item,
            itemsTree().proof(0, item),
            rootsOf(item),
            output,
            output == 0 ? BIG : SMALL,
            headersTree().proof(0, 1 + output)
        );
    }

    function sizeProof(uint256 output) internal pure returns (SizeProof memory) {
        return SizeProof(output, output == 0 ? BIG : SMALL, headersTree().proof(0, 1 + output));
    }

    // -------------------------------------------------------------------------------------------------- demands

    function wantedItems() internal pure returns (Wanted memory) {
        return Wanted(Kind.Items, itemsTree().root(), 128);
    }

    function wantedRoots(uint256 item) internal pure returns (Wanted memory) {
        return Wanted(Kind.Roots, itemRoot(item), 64);
    }

    /// @dev Of output 0: 32 leaves, but of the whole tensor, whose two levels above them come first.
    function wantedBelow(uint256 item, uint256 level, uint256 index) internal pure returns (Wanted memory) {
        bytes32 node = tensor(item, 0)[level][index];
        if (level > 5) return Wanted(Kind.Nodes, node, uint32(32 << (level - 5)));
        return Wanted(Kind.Leaves, node, uint32(128 << level));
    }

    function demandItems(address by) internal returns (bytes32) {
        uint256 bond = delivery.bondOf(128);
        bytes32 root = itemsTree().root();
        vm.prank(by);
        return delivery.demandItems{value: bond}(bid, job(), listFor(by), root, 0, new bytes32[](0));
    }

    function demandRoots(address by, uint256 item) internal returns (bytes32) {
        uint256 bond = delivery.bondOf(64);
        (bytes32 root, bytes32[] memory proof) = (itemRoot(item), itemsTree().proof(0, item));
        vm.prank(by);
        return delivery.demandRoots{value: bond}(bid, job(), listFor(by), item, root, proof);
    }

    function demandBelow(address by, uint256 item, uint256 level, uint256 index) internal returns (bytes32) {
        uint256 bond = delivery.bondOf(wantedBelow(item, level, index).size);
        bytes32[][] memory tree = tensor(item, 0);
        OutputProof memory proof = outputProof(item, 0);
        vm.prank(by);
        return delivery.demandOutput{value: bond}(
            bid, job(), listFor(by), proof, tree[level][index], index, tree.proof(level, index)
        );
    }

    function listFor(address by) internal view returns (address[] memory list) {
        if (by != DELEGATE) return none;
        list = new address[](1);
        list[0] = by;
    }

    function leavesBelow(uint256 item, uint256 level, uint256 index) internal pure returns (bytes memory data) {
        for (uint256 i = index << level; i < (index + 1) << level; ++i) {
            data = abi.encodePacked(data, i < LEAVES ? leaf(item, 0, i) : new bytes(128));
        }
    }

    function deliver(Kind kind, bytes memory data) internal {
        vm.prank(operator, operator);
        delivery.deliver(bid, kind, data);
    }

    function deliverItems() internal {
        deliver(Kind.Items, itemsTree().below(2, 0, 2));
    }

    function deliverRoots(uint256 item) internal {
        deliver(Kind.Roots, abi.encodePacked(rootsOf(item)));
    }

    function id(Wanted memory wanted) internal view returns (bytes32) {
        return delivery.demandId(idOf(bid), wanted);
    }

    function collect(address by, Wanted memory wanted) internal returns (uint256 coin) {
        uint256 before = by.balance;
        vm.prank(by);
        delivery.collect(bid, wanted);
        return by.balance - before;
    }

    function settle() internal {
        skip(CLAIM_PERIOD + 1);
        disputes.settle(bid);
    }

    // ---------------------------------------------------------------------------------------------------- games

    function case_(uint256 item) internal view returns (Case memory) {
        return Case(idOf(bid), jobHash(), item, itemRoot(item));
    }

    function challenge(address by, uint256 item) internal {
        uint256 bond = disputes.bondOf(bid, ITEMS);
        (bytes32 root, bytes32[] memory proof) = (itemRoot(item), itemsTree().proof(0, item));
        vm.prank(by);
        disputes.challenge{value: bond}(bid, job(), item, root, proof, "seal", none);
    }

    function claimSilence(address by, uint256 item) internal {
        Case memory c = case_(item);
        vm.prank(by);
        disputes.claimSilence(c, "seal");
    }

    function collectGame(address by, uint256 item) internal {
        Case memory c = case_(item);
        vm.prank(by);
        disputes.collect(bid, c, "seal");
    }
}
