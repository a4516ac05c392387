// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @notice Every value that something has had, with the clock reading of each change.
/// @dev Entries are readings << 160 | value, in ascending order.
struct History {
    uint256[] entries;
}

/// @title What something was at an earlier reading of the clock
library HistoryLib {
    uint256 private constant READING = 160;

    /// @notice The value from `reading` on. Of changes at the same reading the last one counts.
    /// @dev `reading` is the clock's, which never goes back.
    function set(History storage h, uint256 reading, uint160 value) internal {
        uint256 entry = reading << READING | value;
        uint256 length = h.entries.length;
        if (length != 0 && h.entries[length - 1] >> READING == reading) h.entries[length - 1] = entry;
        else h.entries.push(entry);
    }

    /// @notice Zero if it never had one.
    function latest(History storage h) internal view returns (uint160) {
        uint256 length = h.entries.length;
        return length == 0 ? 0 : uint160(h.entries[length - 1]);
    }

    /// @notice The value after all changes up to `reading`; zero before the first.
    function read(History storage h, uint256 reading) internal view returns (uint160) {
        uint256 low;
        uint256 high = h.entries.length; // the first entry that is later lies in [low, high]
        while (low < high) {
            uint256 middle = (low + high) / 2;
            if (h.entries[middle] >> READING > reading) high = middle;
            else low = middle + 1;
        }
        return low == 0 ? 0 : uint160(h.entries[low - 1]);
    }
}
