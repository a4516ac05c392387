"""Hashes, signatures, Merkle trees and sealed boxes. Pure."""
