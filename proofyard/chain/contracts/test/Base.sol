// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {Market} from "../src/Market.sol";
import {Settlement} from "../src/Settlement.sol";
import {Signed} from "../src/Signed.sol";
import {Token} from "../src/Token.sol";
import {Vault} from "../src/Vault.sol";
import {IProofVerifier, Verifier} from "../src/Verifier.sol";

/// @title The few words of forge's test machine that our tests use.
interface Vm {
    function prank(address sender) external;
    function warp(uint256 time) external;
    function expectRevert(bytes4 error) external;
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function addr(uint256 key) external pure returns (address);
    function assume(bool condition) external pure;
    function chainId(uint256 id) external;
    function prevrandao(bytes32 randomness) external;
    function roll(uint256 number) external;
    function setBlockhash(uint256 number, bytes32 hash) external;
}

/// @title Accepts a proof that is the hash of its public inputs: as much of a proof as tests of money need.
contract Light is IProofVerifier {
    function verify(bytes calldata proof, bytes32[] calldata inputs) external pure returns (bool) {
        return keccak256(proof) == keccak256(abi.encodePacked(keccak256(abi.encodePacked(inputs))));
    }
}

/// @title A market with three people in it.
abstract contract Base {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    bytes32 internal constant CIRCUIT = "light";
    uint256 internal constant REQUESTER = 1;
    uint256 internal constant PROVER = 2;
    uint256 internal constant DELEGATOR = 3;
    uint64 internal constant TOKENS = 1e9; // gwei
    uint64 internal constant DAY = 86_400; // s
    uint64 internal constant WEALTH = 1_000 * TOKENS;

    Token internal token;
    Vault internal vault;
    Verifier internal verifier;
    Market internal market;
    Settlement internal settlement;
    address internal requester = vm.addr(REQUESTER);
    address internal prover = vm.addr(PROVER);
    address internal delegator = vm.addr(DELEGATOR);

    function setUp() public virtual {
        vm.warp(1_000_000);
        token = new Token();
        vault = new Vault(token, DAY, 8 * DAY);
        verifier = new Verifier();
        market = new Market(vault, verifier, address(this), 5_000);
        settlement = new Settlement(vault, verifier, address(this));
        Light light = new Light();
        verifier.add(
            CIRCUIT,
            Verifier.Circuit(light, 200_000, 1, Verifier.Kind.PLAIN, false, IProofVerifier(address(0)), 0, 0)
        );
        address[] memory keepers = new address[](3);
        (keepers[0], keepers[1], keepers[2]) = (address(market), address(settlement), address(this));
        vault.seal(keepers);
        enter(requester);
        enter(prover);
        enter(delegator);
    }

    function enter(address account) internal {
        token.mint(account, uint256(WEALTH) * 1e9);
        vm.prank(account);
        token.approve(address(vault), type(uint256).max);
        vm.prank(account);
        vault.deposit(WEALTH);
    }

    function signed(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function order(uint64 nonce, uint64 ceiling) internal view returns (Signed.Order memory o, bytes32[] memory inputs) {
        inputs = new bytes32[](1);
        inputs[0] = bytes32(uint256(nonce));
        bytes32 statement = keccak256(abi.encodePacked(inputs));
        o = Signed.Order(requester, CIRCUIT, statement, ceiling, uint64(block.timestamp) + 3_600, nonce);
    }

    function assigned(uint64 nonce, uint64 ceiling, uint64 price, uint64 bond)
        internal
        returns (Signed.Order memory o, bytes32[] memory inputs)
    {
        (o, inputs) = order(nonce, ceiling);
        bytes32 id = market.hashOrder(o);
        Signed.Offer memory offer = Signed.Offer(id, prover, price, bond, o.deadline);
        market.assign(o, signed(REQUESTER, id), offer, signed(PROVER, market.hashOffer(offer)));
    }

    function proofOf(bytes32[] memory inputs) internal pure returns (bytes memory) {
        return abi.encodePacked(keccak256(abi.encodePacked(inputs)));
    }

    function free(address account) internal view returns (uint64 amount) {
        (amount,,) = vault.accounts(account);
    }

    function leaving(address account) internal view returns (uint64 amount) {
        (, amount,) = vault.accounts(account);
    }

    function pool(address operator) internal view returns (Vault.Pool memory) {
        return vault.poolOf(operator);
    }

    function held(address operator) internal view returns (uint64) {
        Vault.Pool memory p = pool(operator);
        return p.own + p.exiting + p.delegated + p.queue;
    }

    function equal(uint256 got, uint256 wanted, string memory what) internal pure {
        require(got == wanted, what);
    }
}
