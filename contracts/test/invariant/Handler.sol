// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Assertions} from "../base/Assertions.sol";
import {ILocalToken} from "../base/ILocalToken.sol";
import {TestJudge} from "../base/TestJudge.sol";
import {vm} from "../base/Vm.sol";
import {IEscrow} from "../../src/interfaces/IEscrow.sol";
import {IStaking} from "../../src/interfaces/IStaking.sol";
import {Bid, LeaseClass, LeaseState, LeaseView, StakeView} from "../../src/types/Types.sol";

/// @notice What the handler believes about a lease, kept by its own sums and never read from the contracts.
struct Ghost {
    Bid bid;
    bytes32[6] words;
    uint256 held; //      deposit + top-ups - withdrawals; zero once ended
    uint256 withdrawn;
    uint256 freezes;
    bytes32 root;
    bool live;
    bool convicted;
    bool wasHeldAtEnd; //  a judge held it when it ended otherwise than by conviction
}

/// @notice Clients, providers, a judge and strangers doing anything at any time, legal or not. A refused call changes
/// nothing here; a call that went through changes the ghost.
contract Handler is Assertions {
    uint256 private constant ACTORS = 3;

    IEscrow public immutable escrow;
    IStaking public immutable staking;
    TestJudge public immutable judge;
    ILocalToken[2] public tokens;
    address[ACTORS] public clients;
    address[ACTORS] public owners;
    uint256[ACTORS] private _keys;

    Ghost[] private _ghosts;
    uint64 private _nonce;
    bool private _enrolled;
    mapping(LeaseState => uint256) public ended;
    uint256[2] public donated;
    uint256[2] public donatedStake;

    constructor(IEscrow escrow_, TestJudge judge_, ILocalToken[2] memory tokens_) {
        (escrow, staking, judge, tokens) = (escrow_, escrow_.staking(), judge_, tokens_);
        for (uint256 i; i < ACTORS; ++i) {
            clients[i] = address(uint160(0xC0 + i));
            owners[i] = address(uint160(0x50 + i));
            _keys[i] = 0x1000 + i;
        }
    }

    /// @dev Called once, after the handler was funded; later calls, which a run may make, do nothing.
    function enrol() external {
        if (_enrolled) return;
        _enrolled = true;
        for (uint256 i; i < ACTORS; ++i) {
            for (uint8 t; t < 2; ++t) {
                vm.startPrank(clients[i]);
                tokens[t].approve(address(escrow), type(uint256).max);
                vm.startPrank(owners[i]);
                tokens[t].approve(address(staking), type(uint256).max);
                staking.stake(t, 2_000 ether, 200 ether, 1_500 ether);
                vm.stopPrank();
            }
            vm.prank(owners[i]);
            escrow.register(vm.addr(_keys[i]), "");
        }
    }

    function ghosts() external view returns (Ghost[] memory) {
        return _ghosts;
    }

    // ------------------------------------------------------------------------------------------------ actions

    /// @notice One action, chosen and filled in by `r`.
    function act(uint256 r) external {
        uint256 a = uint256(keccak256(abi.encode(r, "a")));
        uint256 c = uint256(keccak256(abi.encode(r, "b")));
        uint256 action = r % 47;
        if (action < 3) pass(a);
        else if (action == 3 && c % 3 == 0) passLong(a);
        else if (action < 6) beat(a);
        else if (action < 8) openJob(a);
        else if (action == 8) openService(a);
        else if (action < 12) start(a);
        else if (action == 12) topUp(a, c, uint32(r >> 64));
        else if (action == 13) withdraw(a);
        else if (action < 17) post(a, bytes32(c));
        else if (action == 17) c % 2 == 0 ? closeByClient(a) : closeByProvider(a);
        else if (action < 21) finalize(a);
        else if (action == 21) expire(a);
        else if (action < 24) freeze(a);
        else if (action == 24) release(a);
        else if (action == 25) convict(a, c);
        else if (action == 26) deposit(a, c, r >> 64);
        else if (action == 27) withdrawCredits(a, c, r >> 64);
        else if (action == 28) stake(a, c, r >> 64);
        else if (action == 29) unbond(a, c, r >> 64);
        else if (action == 30) claim(a, c);
        else if (action < 33) openService(a);
        else if (action < 35) expire(a);
        else if (action == 35) donate(a, c, r >> 64);
        else if (action < 38) expire(a);
        else if (action < 40) dispute(a);
        else if (action < 44) finalize(a);
        else withdraw(a);
    }

    function pass(uint256 blocks) private {
        vm.roll(vm.getBlockNumber() + bound(blocks, 1, 9));
    }

    function passLong(uint256 blocks) private {
        vm.roll(vm.getBlockNumber() + bound(blocks, 10, 90));
    }

    function deposit(uint256 who, uint256 amount, uint256 t) private {
        vm.prank(clients[who % ACTORS]);
        try escrow.deposit(uint8(t % 2), clients[(who >> 8) % ACTORS], bound(amount, 0, 500 ether)) {}
            catch {}
    }

    function withdrawCredits(uint256 who, uint256 amount, uint256 t) private {
        address account = who % 4 == 0 ? owners[who % ACTORS] : clients[who % ACTORS];
        vm.prank(account);
        try escrow.withdrawCredits(uint8(t % 2), account, bound(amount, 0, 300 ether)) {} catch {}
    }

    function donate(uint256 who, uint256 amount, uint256 t) private {
        amount = bound(amount, 0, 5 ether);
        bool toStaking = who % 2 == 0;
        vm.prank(clients[who % ACTORS]);
        try tokens[t % 2].transfer(toStaking ? address(staking) : address(escrow), amount) {
            if (toStaking) donatedStake[t % 2] += amount;
            else donated[t % 2] += amount;
        } catch {}
    }

    function openJob(uint256 seed) private {
        Bid memory b = _bid(seed);
        b.leaseClass = uint8(LeaseClass.Job);
        b.resultDeadline = uint32(bound(seed >> 40, 20, 120));
        b.completionFee = uint96(bound(seed >> 50, 0, 9 ether));
        b.verification = uint8((seed >> 60) % 2);
        _open(b, seed);
    }

    function openService(uint256 seed) private {
        Bid memory b = _bid(seed);
        b.leaseClass = uint8(LeaseClass.Service);
        _open(b, seed);
    }

    function _bid(uint256 seed) private returns (Bid memory b) {
        b.client = clients[seed % ACTORS];
        b.owner = owners[(seed >> 8) % ACTORS];
        b.ratePerBlock = uint96(bound(uint256(keccak256(abi.encode(seed, "rate"))), 0, 3 ether));
        b.jobHash = bytes32(seed);
        // Mostly small, so that it is the bond that limits advances.
        uint256 most = seed % 3 == 0 ? 210 ether : 60 ether;
        b.bond = uint96(bound(uint256(keccak256(abi.encode(seed, "bond"))), 35 ether, most));
        // Now and then a nonce that was used before.
        b.capacityNonce = seed % 11 == 0 ? _nonce : ++_nonce;
        b.expiry = type(uint48).max;
        b.startDeadline = uint32(bound(seed >> 24, 1, 30));
        b.grace = uint16(bound(seed >> 32, 2, 12));
        b.maxBlocks = uint32(bound(seed >> 36, 1, 80));
        b.topUpCap = b.maxBlocks + uint32(seed % 40);
        b.challengeWindow = uint32(seed % 40);
        b.token = uint8((seed >> 16) % 2);
    }

    function _open(Bid memory b, uint256 seed) private {
        bytes32[6] memory words = pack(b);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(_keys[(seed >> 8) % ACTORS], escrow.bidDigest(words));
        bytes memory signature = abi.encodePacked(r, s, v);
        bool fromWallet = seed % 2 == 0;
        vm.prank(b.client);
        (bool ok,) = address(escrow)
            .call(
                fromWallet
                    ? abi.encodeCall(escrow.openLeaseFromWallet, (words, signature))
                    : abi.encodeCall(escrow.openLease, (words, signature))
            );
        if (!ok) return;
        Ghost storage g = _ghosts.push();
        g.bid = b;
        g.words = words;
        g.held = uint256(b.ratePerBlock) * b.maxBlocks + b.completionFee;
        g.live = true;
        if (seed % 3 != 0) start(1); // most providers turn up
    }

    function start(uint256 which) private {
        if (_ghosts.length == 0) return;
        Ghost storage g = _pickIn(which, LeaseState.Opened);
        _asOperator(g);
        try escrow.start(g.words) {} catch {}
    }

    /// All leases of one owner in one batch, dead ones included: it never reverts.
    function beat(uint256 who) private {
        address owner = owners[who % ACTORS];
        uint256 count = _ghosts.length < 40 ? _ghosts.length : 40;
        bytes32[] memory hashes = new bytes32[](count);
        for (uint256 i; i < count; ++i) {
            hashes[i] = escrow.bidHash(_ghosts[_ghosts.length - 1 - i].words);
        }
        vm.prank(vm.addr(_keys[who % ACTORS]));
        escrow.beat(owner, hashes);
    }

    function topUp(uint256 which, uint256 who, uint32 blocks) private {
        if (_ghosts.length == 0) return;
        Ghost storage g = _pick(which);
        blocks = uint32(bound(blocks, 0, 45));
        bool fromWallet = who % 2 == 0;
        vm.prank(clients[who % ACTORS]);
        (bool ok,) = address(escrow)
            .call(
                fromWallet
                    ? abi.encodeCall(escrow.topUpFromWallet, (g.words, blocks))
                    : abi.encodeCall(escrow.topUp, (g.words, blocks))
            );
        if (ok) g.held += uint256(g.bid.ratePerBlock) * blocks;
    }

    function withdraw(uint256 which) private {
        if (_ghosts.length == 0) return;
        Ghost storage g = _pickIn(which, LeaseState.Running);
        uint256 before = tokens[g.bid.token].balanceOf(g.bid.owner);
        bytes32[6][] memory bids = new bytes32[6][](2);
        (bids[0], bids[1]) = (g.words, g.words);
        uint256 amount = escrow.withdraw(bids);
        eq(tokens[g.bid.token].balanceOf(g.bid.owner) - before, amount, "paid to the owner");
        g.held -= amount;
        g.withdrawn += amount;
    }

    function post(uint256 which, bytes32 root) private {
        if (_ghosts.length == 0) return;
        Ghost storage g = _pickIn(which, LeaseState.Running);
        bytes32 hash = escrow.bidHash(g.words);
        _asOperator(g);
        try escrow.postResult(g.bid.owner, hash, root) {
            eq(g.root, 0, "a result is written once");
            g.root = root;
        } catch {}
    }

    function closeByClient(uint256 which) private {
        if (_ghosts.length == 0) return;
        Ghost storage g = _pick(which);
        vm.prank(g.bid.client);
        try escrow.closeByClient(g.words) {
            _afterEnd(g);
        } catch {}
    }

    function closeByProvider(uint256 which) private {
        if (_ghosts.length == 0) return;
        Ghost storage g = _pick(which);
        _asOperator(g);
        try escrow.closeByProvider(g.words) {
            _afterEnd(g);
        } catch {}
    }

    function finalize(uint256 which) private {
        if (_ghosts.length == 0) return;
        Ghost storage g = _pickIn(which, LeaseState.Posted);
        uint256 staked = staking.stakeOf(g.bid.owner, g.bid.token).staked;
        try escrow.finalize(g.words) {
            _afterEnd(g);
            eq(staking.stakeOf(g.bid.owner, g.bid.token).staked, staked, "an honest provider loses nothing");
        } catch {}
    }

    function expire(uint256 which) private {
        if (_ghosts.length == 0) return;
        Ghost storage g = _pickOld(which);
        try escrow.expire(g.words) {
            _afterEnd(g);
        } catch {}
    }

    function freeze(uint256 which) private {
        if (_ghosts.length == 0) return;
        Ghost storage g = _pickIn(which, LeaseState.Posted);
        try judge.freeze(g.words) returns (bytes32 root, uint32 freezes, uint32) {
            ++g.freezes;
            eq(root, g.root, "the judge sees what was posted");
            eq(freezes, g.freezes, "and every hold");
        } catch {}
    }

    function release(uint256 which) private {
        if (_ghosts.length == 0) return;
        Ghost storage g = _pickIn(which, LeaseState.Posted);
        try judge.release(g.words) {
            --g.freezes;
            LeaseState s = _view(g).state;
            eq(uint8(s), uint8(LeaseState.Posted), "a lost game finalises nothing");
        } catch {}
    }

    function convict(uint256 which, uint256 reward) private {
        if (_ghosts.length == 0) return;
        Ghost storage g = _pickIn(which, LeaseState.Posted);
        uint256 credits = escrow.creditsOf(g.bid.token, g.bid.client);
        uint256 whole = g.held + g.withdrawn;
        try judge.convict(g.words, reward) {
            eq(escrow.creditsOf(g.bid.token, g.bid.client) - credits, whole, "the client is paid back first");
            g.convicted = true;
            _afterEnd(g);
        } catch {}
    }

    /// @dev A whole game about some posted result: lost by its challenger, won, or left open.
    function dispute(uint256 seed) private {
        for (uint256 i = 1; i <= 30 && i <= _ghosts.length; ++i) {
            uint256 which = _ghosts.length - i;
            if (_view(_ghosts[which]).state != LeaseState.Posted) continue;
            Ghost storage g = _ghosts[which];
            try judge.freeze(g.words) {
                ++g.freezes;
            } catch {
                continue;
            }
            uint256 whole = g.held + g.withdrawn;
            uint256 credits = escrow.creditsOf(g.bid.token, g.bid.client);
            if (seed % 3 == 0) {
                judge.release(g.words);
                --g.freezes;
                eq(uint8(_view(g).state), uint8(LeaseState.Posted), "a lost game finalises nothing");
            } else if (seed % 3 == 1) {
                judge.convict(g.words, seed);
                eq(escrow.creditsOf(g.bid.token, g.bid.client) - credits, whole, "the client is paid back");
                g.convicted = true;
                _afterEnd(g);
            }
            return;
        }
    }

    function stake(uint256 who, uint256 amount, uint256 t) private {
        vm.prank(owners[who % ACTORS]);
        try staking.stake(uint8(t % 2), uint128(bound(amount, 0, 100 ether)), 200 ether, 1_500 ether) {}
            catch {}
    }

    function unbond(uint256 who, uint256 amount, uint256 t) private {
        address owner = owners[who % ACTORS];
        uint8 token = uint8(t % 2);
        StakeView memory s = staking.stakeOf(owner, token);
        // Now and then what stands behind leases as well: that has to stay.
        bool all = s.locked != 0 && amount % 4 == 0;
        vm.prank(owner);
        try staking.unbond(token, all ? s.staked : uint128(bound(amount, 0, 900 ether))) {} catch {}
    }

    function claim(uint256 who, uint256 t) private {
        vm.prank(owners[who % ACTORS]);
        try staking.claimUnbonded(uint8(t % 2), owners[who % ACTORS]) {} catch {}
    }

    // ------------------------------------------------------------------------------------------------ private

    function _pick(uint256 which) private view returns (Ghost storage) {
        // The younger ones: most of the older are dead.
        uint256 span = _ghosts.length < 6 ? _ghosts.length : 6;
        return _ghosts[_ghosts.length - 1 - which % span];
    }

    /// @dev An older one as well: time must have passed it by.
    function _pickOld(uint256 which) private view returns (Ghost storage) {
        uint256 span = _ghosts.length < 30 ? _ghosts.length : 30;
        return _ghosts[_ghosts.length - 1 - which % span];
    }

    /// @dev Mostly one in that state, so that the call is legal or nearly so; sometimes any.
    function _pickIn(uint256 which, LeaseState wanted) private view returns (Ghost storage) {
        uint256 span = _ghosts.length < 30 ? _ghosts.length : 30;
        for (uint256 i; i < span && which % 4 != 0; ++i) {
            Ghost storage g = _ghosts[_ghosts.length - 1 - ((which >> 8) % span + i) % span];
            if (_view(g).state == wanted) return g;
        }
        return _pick(which >> 2);
    }

    function _asOperator(Ghost storage g) private {
        vm.prank(escrow.operatorOf(g.bid.owner));
    }

    function _view(Ghost storage g) private view returns (LeaseView memory) {
        return escrow.leaseOf(escrow.leaseIdOf(g.bid.owner, escrow.bidHash(g.words)));
    }

    function _afterEnd(Ghost storage g) private {
        LeaseState s = _view(g).state;
        if (s <= LeaseState.Serving) return; // a close that takes effect later
        yes(g.live, "a lease ends once");
        ++ended[s];
        g.live = false;
        g.held = 0;
        if (g.freezes != 0 && !g.convicted) g.wasHeldAtEnd = true;
    }

    function pack(Bid memory b) public pure returns (bytes32[6] memory w) {
        w[0] = bytes32(abi.encodePacked(b.client, b.ratePerBlock));
        w[1] = bytes32(abi.encodePacked(b.owner, b.completionFee));
        w[2] = b.jobHash;
        w[3] = b.delegates;
        w[4] = bytes32(abi.encodePacked(b.bond, b.capacityNonce, b.expiry, b.startDeadline, b.grace));
        bytes memory head =
            abi.encodePacked(b.maxBlocks, b.topUpCap, b.resultDeadline, b.challengeWindow, b.traceAllowance);
        w[5] = bytes32(abi.encodePacked(head, b.token, b.leaseClass, b.verification, b.flags, uint64(0)));
    }
}
