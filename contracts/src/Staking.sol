// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC6372} from "@openzeppelin/contracts/interfaces/IERC6372.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeTransferLib} from "solady/utils/SafeTransferLib.sol";
import {IStaking} from "./interfaces/IStaking.sol";
import {Listing, Permit, StakeView} from "./types/Types.sol";

/// @title Staking
/// @dev Holds its own tokens: balance >= staked + unbonding + burnt, per token, and locked <= staked per owner.
contract Staking is IStaking {
    struct Account {
        uint128 staked;
        uint128 locked;
    }

    struct Caps {
        uint128 maxPerLease;
        uint128 maxLocked;
    }

    struct Leaving {
        uint128 amount;
        uint48 releaseAt;
    }

    /// @inheritdoc IStaking
    address public immutable escrow = msg.sender;
    /// @inheritdoc IStaking
    uint32 public immutable unbondingDelay;

    address[] private _tokens;
    mapping(address owner => mapping(uint8 token => Account)) private _accounts;
    mapping(address owner => mapping(uint8 token => Caps)) private _caps;
    mapping(address owner => mapping(uint8 token => Leaving)) private _leaving;
    /// @inheritdoc IStaking
    mapping(uint8 token => uint256) public burntOf;

    modifier onlyEscrow() {
        if (msg.sender != escrow) revert Staking_NotEscrow(msg.sender);
        _;
    }

    /// @dev The Escrow has checked the list.
    constructor(Listing[] memory list, uint32 unbondingDelay_) {
        unbondingDelay = unbondingDelay_;
        for (uint256 i; i < list.length; ++i) {
            _tokens.push(list[i].token);
        }
    }

    // ------------------------------------------------------------------------------------------------ owners

    /// @inheritdoc IStaking
    function stake(uint8 token, uint128 amount, uint128 maxPerLease, uint128 maxLocked) public {
        if (amount == 0) revert Staking_ZeroAmount();
        _accounts[msg.sender][token].staked += amount;
        emit Staked(msg.sender, token, amount);
        setCaps(token, maxPerLease, maxLocked);
        _pull(_token(token), amount);
    }

    /// @inheritdoc IStaking
    function stakeWithPermit(
        uint8 token,
        uint128 amount,
        uint128 maxPerLease,
        uint128 maxLocked,
        Permit calldata p
    ) external {
        // A permit that was used already (anybody may submit it first) is no error: the allowance decides.
        try IERC20Permit(_token(token))
            .permit(msg.sender, address(this), p.value, p.deadline, p.v, p.r, p.s) {}
            catch {}
        stake(token, amount, maxPerLease, maxLocked);
    }

    /// @inheritdoc IStaking
    function setCaps(uint8 token, uint128 maxPerLease, uint128 maxLocked) public {
        _caps[msg.sender][token] = Caps(maxPerLease, maxLocked);
        emit CapsSet(msg.sender, token, maxPerLease, maxLocked);
    }

    /// @inheritdoc IStaking
    function unbond(uint8 token, uint128 amount) external {
        if (amount == 0) revert Staking_ZeroAmount();
        Account storage account = _accounts[msg.sender][token];
        uint128 free = account.staked - account.locked;
        // INVARIANT: locked <= staked. What stands behind a lease stays until the lease ends.
        if (amount > free) revert Staking_OverStake(msg.sender, amount, free);
        Leaving storage leaving = _leaving[msg.sender][token];
        account.staked -= amount;
        leaving.amount += amount;
        leaving.releaseAt = clock() + unbondingDelay;
        emit Unbonding(msg.sender, token, leaving.amount, leaving.releaseAt);
    }

    /// @inheritdoc IStaking
    function claimUnbonded(uint8 token, address to) external {
        if (to == address(0)) revert Staking_ZeroAddress();
        Leaving memory leaving = _leaving[msg.sender][token];
        if (leaving.amount == 0) revert Staking_NothingUnbonding(msg.sender);
        uint48 now_ = clock();
        if (now_ <= leaving.releaseAt) revert Staking_TooEarly(leaving.releaseAt, now_);
        delete _leaving[msg.sender][token];
        emit Unbonded(msg.sender, token, to, leaving.amount);
        _pay(_token(token), to, leaving.amount);
    }

    // ------------------------------------------------------------------------------------------------ Escrow

    /// @inheritdoc IStaking
    function lock(address owner, uint8 token, uint96 bond) external onlyEscrow {
        Account memory account = _accounts[owner][token];
        Caps memory caps = _caps[owner][token];
        uint128 locked = account.locked + bond;
        // The two caps bound what a stolen operator key can lose; see rule 7.
        if (bond > caps.maxPerLease) revert Staking_OverLeaseCap(owner, bond, caps.maxPerLease);
        if (locked > caps.maxLocked) revert Staking_OverTotalCap(owner, locked, caps.maxLocked);
        // INVARIANT: locked <= staked.
        if (locked > account.staked) revert Staking_OverStake(owner, bond, account.staked - account.locked);
        _accounts[owner][token] = Account(account.staked, locked);
    }

    /// @inheritdoc IStaking
    function unlock(address owner, uint8 token, uint96 bond, uint256 seized, uint256 burnt)
        external
        onlyEscrow
    {
        // INVARIANT: a lease costs its owner at most its own bond.
        assert(seized + burnt <= bond);
        Account memory account = _accounts[owner][token];
        uint128 lost = uint128(seized + burnt);
        _accounts[owner][token] = Account(account.staked - lost, account.locked - bond);
        if (lost == 0) return;
        burntOf[token] += burnt;
        emit Slashed(owner, token, seized, burnt);
        if (seized != 0) _pay(_token(token), escrow, seized);
    }

    // ------------------------------------------------------------------------------------------------- views

    /// @inheritdoc IStaking
    function stakeOf(address owner, uint8 token) external view returns (StakeView memory) {
        Account memory account = _accounts[owner][token];
        Caps memory caps = _caps[owner][token];
        Leaving memory leaving = _leaving[owner][token];
        uint128 limit = account.staked < caps.maxLocked ? account.staked : caps.maxLocked;
        uint128 free = limit > account.locked ? limit - account.locked : 0;
        return StakeView({
            staked: account.staked,
            locked: account.locked,
            free: free < caps.maxPerLease ? free : caps.maxPerLease,
            unbonding: leaving.amount,
            releaseAt: leaving.releaseAt,
            maxPerLease: caps.maxPerLease,
            maxLocked: caps.maxLocked
        });
    }

    /// @inheritdoc IERC6372
    function clock() public view returns (uint48) {
        return IERC6372(escrow).clock();
    }

    /// @inheritdoc IERC6372
    function CLOCK_MODE() external view returns (string memory) {
        return IERC6372(escrow).CLOCK_MODE();
    }

    // ----------------------------------------------------------------------------------------------- private

    function _token(uint8 index) private view returns (address) {
        if (index >= _tokens.length) revert Staking_UnlistedToken(index);
        return _tokens[index];
    }

    /// @dev The only way money leaves. Callers have done all their effects.
    function _pay(address token, address to, uint256 amount) private {
        SafeTransferLib.safeTransfer(token, to, amount);
    }

    function _pull(address token, uint256 amount) private {
        uint256 before = IERC20(token).balanceOf(address(this));
        SafeTransferLib.safeTransferFrom(token, msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert Staking_ShortTransfer(amount, received);
    }
}
