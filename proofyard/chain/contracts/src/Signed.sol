// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";

/// @title What requesters and provers sign (EIP-712). The domain holds the chain and this very contract, so nothing signed
///        for one market or chain means anything on another.
/// @notice Amounts are gwei, times seconds since 1970.
abstract contract Signed is EIP712("Proofyard", "1") {
    struct Order {
        address requester;
        bytes32 circuit; // name of the circuit in the Verifier
        bytes32 statement; // keccak256 of the packed public inputs: what is to be proven
        uint64 ceiling; // gwei, the most it pays
        uint64 deadline; // s, after it the order pays for no proof
        uint64 nonce; // each is good once per requester, in any order
    }

    struct Offer {
        bytes32 order; // hash of the order
        address prover;
        uint64 price; // gwei
        uint64 bond; // gwei of its stake, lost if it does not prove
        uint64 proveBy; // s, at most the order's deadline
    }

    struct Mandate {
        address account;
        uint64 limit; // gwei the coordinator may take by a rule's verdicts, all together until
        uint64 until; // s
    }

    bytes32 private constant ORDER = keccak256(
        "Order(address requester,bytes32 circuit,bytes32 statement,uint64 ceiling,uint64 deadline,uint64 nonce)"
    );
    bytes32 private constant OFFER =
        keccak256("Offer(bytes32 order,address prover,uint64 price,uint64 bond,uint64 proveBy)");
    bytes32 private constant CHOICE = keccak256("Choice(bytes32 offer)");
    bytes32 private constant MANDATE = keccak256("Mandate(address account,uint64 limit,uint64 until)");

    mapping(address requester => mapping(uint256 word => uint256 bits)) private _used;

    error BadSignature(); // not signed by the one it names, for this contract on this chain
    error UsedNonce();

    /// @notice Hash of an order under this contract's domain: its name everywhere.
    function hashOrder(Order memory o) public view returns (bytes32) {
        return _hashTypedDataV4(
            keccak256(abi.encode(ORDER, o.requester, o.circuit, o.statement, o.ceiling, o.deadline, o.nonce))
        );
    }

    /// @notice Hash of an offer under this contract's domain.
    function hashOffer(Offer memory o) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(OFFER, o.order, o.prover, o.price, o.bond, o.proveBy)));
    }

    /// @notice Hash of the coordinator's choice of an offer (by its hash) under this contract's domain.
    function hashChoice(bytes32 offer) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(CHOICE, offer)));
    }

    /// @notice Hash of a mandate under this contract's domain.
    function hashMandate(Mandate memory m) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(MANDATE, m.account, m.limit, m.until)));
    }

    /// @notice Whether a nonce of `requester` has been used up.
    function isUsed(address requester, uint64 nonce) external view returns (bool) {
        return _used[requester][nonce >> 8] & (1 << (nonce & 255)) != 0;
    }

    function _checkSigner(address signer, bytes32 digest, bytes calldata signature) internal pure {
        (address found, ECDSA.RecoverError problem,) = ECDSA.tryRecover(digest, signature);
        if (problem != ECDSA.RecoverError.NoError || found != signer) revert BadSignature();
    }

    function _useNonce(address requester, uint64 nonce) internal {
        if (!_tryNonce(requester, nonce)) revert UsedNonce();
    }

    /// @return whether it was not used before
    function _tryNonce(address requester, uint64 nonce) internal returns (bool) {
        mapping(uint256 word => uint256 bits) storage used = _used[requester];
        (uint256 word, uint256 bit) = (used[nonce >> 8], 1 << (nonce & 255));
        if (word & bit != 0) return false;
        used[nonce >> 8] = word | bit;
        return true;
    }
}
