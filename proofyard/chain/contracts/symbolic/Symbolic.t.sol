// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.30;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {Settlement} from "../src/Settlement.sol";
import {Signed} from "../src/Signed.sol";
import {Vault} from "../src/Vault.sol";
import {Verifier} from "../src/Verifier.sol";
import {Rule} from "../src/rules/Rule.sol";

/// @title The one word of the test machine that is used here.
interface Vm {
    function prank(address sender) external;
}

/// @title A rule's draw, laid open.
contract Draw is Rule {
    function ticket(uint256 word, uint256 total) public pure returns (uint256) {
        return _ticketOf(word, total);
    }

    function _apply(Event memory) internal pure override returns (Verdict) {
        return Verdict.OK;
    }

    function _isOpening(uint256, uint256) internal pure override returns (bool) {
        return false;
    }

    function _begin(uint64[] memory) internal override {}

    function _held(uint256) internal pure override returns (uint256) {
        return 0;
    }

    function _heldByJob(uint256) internal pure override returns (uint256) {
        return 0;
    }
}

contract Coin is ERC20("coin", "COIN") {
    constructor() {
        _mint(msg.sender, 1e30);
    }
}

/// @title The small pieces for all values at once, not for some: run by halmos (`make contracts-test`), forge skips them.
contract SymbolicTest {
    Vm internal constant vm = Vm(address(uint160(uint256(keccak256("hevm cheat code")))));
    address internal constant ONE = address(0x1001);
    address internal constant TWO = address(0x1002);
    uint64 internal constant WEALTH = 2 ** 40; // gwei of each

    Vault internal vault;
    Settlement internal settlement;
    Draw internal rule;

    function setUp() public {
        Coin coin = new Coin();
        vault = new Vault(coin, 1 days, 8 days);
        settlement = new Settlement(vault, new Verifier(), address(this));
        rule = new Draw();
        address[] memory keepers = new address[](2);
        (keepers[0], keepers[1]) = (address(settlement), address(this));
        vault.seal(keepers);
        coin.approve(address(vault), type(uint256).max);
        vault.deposit(2 * WEALTH);
        vault.transfer(address(this), ONE, WEALTH);
        vault.transfer(address(this), TWO, WEALTH);
    }

    function free(address account) internal view returns (uint64 amount) {
        (amount,,) = vault.accounts(account);
    }

    function open(address account) internal view returns (int64 amount) {
        (,,, amount) = settlement.granted(account);
    }

    /// Whatever changes are posted: taken in, they neither make nor lose money, and take no more than the mandate; what
    /// some still owe the others wait for.
    function check_changes_conserve_money(int64 a, int64 b, int64 c, uint64 limit) public {
        vm.prank(ONE);
        settlement.grant(Signed.Mandate(ONE, limit, type(uint64).max), "");
        Settlement.Change[] memory changes = new Settlement.Change[](3);
        changes[0] = Settlement.Change(ONE, a);
        changes[1] = Settlement.Change(TWO, b);
        changes[2] = Settlement.Change(address(this), c);
        Settlement.Batch memory batch;
        try settlement.settle(batch, new Settlement.Payment[](0), changes) {
            assert(int256(a) + b + c == 0);
            assert(free(TWO) >= WEALTH); // it gave no mandate
            assert(free(ONE) >= WEALTH || WEALTH - free(ONE) <= limit);
            assert(int256(open(ONE)) + open(TWO) + open(address(this)) == 0);
            assert(uint256(free(ONE)) + free(TWO) + free(address(this)) == 2 * uint256(WEALTH));
            assert(free(address(settlement)) == 0);
        } catch {}
    }

    /// A transfer moves what it says, from free money first and then from what is leaving, and nothing else.
    function check_a_transfer_conserves_money(uint64 left, uint64 amount) public {
        vm.prank(ONE);
        try vault.leave(left) {} catch {}
        try vault.transfer(ONE, TWO, amount) {
            (uint64 rest, uint64 leaving,) = vault.accounts(ONE);
            assert(uint256(rest) + leaving + amount == WEALTH);
            assert(free(TWO) == WEALTH + amount);
            assert(rest == 0 || leaving == left || left > WEALTH || left == 0);
        } catch {
            assert(amount > WEALTH); // refused only if it is not there
        }
    }

    /// A lock never exceeds the stake, whatever is staked, locked and taken out in between.
    function check_locks_are_covered(uint64 stake, uint64 lock, uint64 unstake) public {
        vm.prank(ONE);
        try vault.stake(stake) {} catch {}
        try vault.lock(ONE, lock) {} catch {}
        vm.prank(ONE);
        try vault.unstake(unstake) {} catch {}
        Vault.Pool memory p = vault.poolOf(ONE);
        assert(p.locked <= p.own); // what is in the queue does not count: it could be gone before the job ends
        assert(uint256(p.own) + p.exiting + free(ONE) == WEALTH);
    }

    /// A die finds a ticket there is. Stakes up to 2**20: products of wider words are beyond the solver.
    function check_a_ticket_is_one_of_those_there_are(uint64 word, uint32 total) public view {
        if (word >= 2 ** 62 || total == 0 || total > 2 ** 20) return;
        assert(rule.ticket(word, total) < total);
    }
}
