// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LeaseId} from "../types/Types.sol";

/// @title What the Escrow offers to judges
/// @notice A judge is a contract of its own, seated for one verification kind when the Escrow is deployed; several
/// may share a kind (games, delivery, audits), and any of them may act on its leases. It may hold a posted result
/// (`freeze`), let go of it (`release`) and declare it wrong (`convict`), and nothing else: it can move no money
/// beyond the bond and deposit of the lease it convicts, and it can finalise nothing.
///
/// Assumptions
/// - A judge calls `release` exactly once for each `freeze` of a game that did not convict, and none for another's.
/// - A judge copes with a lease that another convicted: from then on all these calls revert, and no hold is left.
/// - A judge that never releases holds the lease's money for ever: its code must bound every game in time.
interface IJudgeHost {
    /// @notice At deployment, once per seat: `judge` decides leases of `kind` for ever.
    event Seated(address indexed judge, uint8 indexed kind);
    /// @notice A judge holds the lease; `freezes` games and demands are open now.
    event Frozen(LeaseId indexed leaseId, uint32 freezes);
    /// @notice A judge let go of the lease once.
    event Released(LeaseId indexed leaseId, uint32 freezes);
    /// @notice The client burnt `fee` of its credits, and with it the provider's completion fee of the same size.
    event FeeBurnt(LeaseId indexed leaseId, uint256 fee);

    /// @notice Hold a posted result: nobody can finalise it until as many `release` calls have followed.
    /// @dev Within the challenge window only, also while the lease is held: so a result is final one game after it.
    /// @return outputRoot what was posted; never zero
    /// @return freezes games and demands that hold the lease now, this one included
    /// @return ran clock units from start to result
    function freeze(bytes32[6] calldata bid) external returns (bytes32 outputRoot, uint32 freezes, uint32 ran);

    /// @notice Take back one `freeze`. It finalises nothing by itself.
    function release(bytes32[6] calldata bid) external;

    /// @notice Let the completion fee burn when the lease is finalised, and burn as much of the client's credits now.
    /// Within the challenge window, once; on a conviction the lease's fee still goes back to the client.
    /// @dev Named so that it stands last in the dispatch, where it costs the other calls nothing.
    /// The judge vouches that the client asked for it and may (rule 24). It gains nobody anything.
    function burnFeeInProtest(bytes32[6] calldata bid) external;

    /// @notice Declare the posted result wrong. Only while held.
    /// The client is paid back first; then `reward`, but at most half of what is left of the bond, becomes
    /// credits of the judge, which shares it out; the rest of the bond is burnt.
    /// @return paid what the judge was credited
    function convict(bytes32[6] calldata bid, uint256 reward) external returns (uint256 paid);
}
