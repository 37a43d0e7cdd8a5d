"""The engine's memory: everything a run reads and writes, as arrays of integers and of records."""

from typing import Annotated, Any, NamedTuple, TypeAlias, cast

import numpy as np

from proofyard.core.book import Book

Rows: TypeAlias = Any  # an array of records in Python, a `memory.Table` compiled; its type is in the annotation
Words: TypeAlias = Any  # an int64 array in Python, `memory.Cells` compiled

DONE, EPOCH_DUE, PAUSED, TRACE_FULL, QUEUE_FULL = range(5)  # why `kernels.run` came back
RUNNING = -1  # why it goes on
VERDICTS = 16  # columns of `counts`
RAISED = 15  # the last of them: instead of a verdict, the compiled rule raised an exception

ALONE, WITH_NUMBA = "entry", "entry_with_numba"  # names of compiled functions, and what they need in order to run

LINE = 64  # bytes in a line of the cache
GUESSES = 4  # draws that `guess` has room for
WATCHER, JUDGE = 4, 4  # words of a row of `watchers`, of `judges`
PPM = 1_000_000

# The first line holds what every assignment and every result needs; the others are read for those who have them.
_FIELDS = (
    "setup",  # ticks of work whatever the size
    "pace",  # ticks of work per unit of size, times 2**32
    "model",  # row of the noise table, column of the measured times
    "special",  # 1: it may be off line, gone, crash, or have a mind of its own; see the second line
    "free_at",  # ticks, when its first slot is free
    "busy",  # ticks of work done
    "missed",  # assigned jobs it did not prove in time
    "capacity",  # how many slots it has
    "slot",  # the first of them in `slots`
    "first_toggle",  # its row in `toggles`: [first, last)
    "last_toggle",
    "online_at_start",
    "gone_until",  # ticks; it left the market until then
    "crash_ppm",  # share of its proofs that never finish
    "mind",  # its row in `minds`
    "decides",  # about which moments, bit by bit; that of ACCEPT goes once the rule has refused a DECLINE
    "rate",  # gwei per hour of work
    "wasted",  # ticks of work not paid
    "skips",  # 1: does not begin an assigned job it cannot finish in time
    "helper",  # first prover it may buy a proof from, -1 none
    "helpers",  # how many from there on
    "helper_delay",  # ticks to set a bought proof up
    "helper_price",  # gwei per bought proof
    "advance",  # gwei, paid for jobs that were not final yet
)
PROVER = np.dtype({"names": _FIELDS, "formats": [np.int64] * len(_FIELDS), "itemsize": 3 * LINE})
JOB = np.dtype(
    [
        ("asked", np.int64),  # ticks
        ("first_deadline", np.int64),  # ticks, the first it was given to anybody, 0 never
        ("assigned", np.int64),  # whom the rule gave it to last, -1 nobody yet
        ("worker", np.int64),  # who works on it, -1 nobody yet
        ("finish", np.int64),  # ticks, when the proof is ready
        ("work", np.int64),  # ticks of the worker's work
        ("alarm", np.int64),  # ticks, the alarm that counts; others are stale
        ("proven", np.int64),  # ticks, when the proof that counts was accepted, 0 never
        ("turns", np.int64),  # how often it was given to somebody
        ("helper", np.int64),  # who proves it for the worker, -1 the worker itself
        ("credited", np.int64),  # gwei of what was paid for it that is in somebody's income already
    ],
    align=True,
)
CLAIM = np.dtype(
    [
        ("claim", np.int64),  # word of the proof that stands: 0 the true transition
        ("tier", np.int64),  # detail of that proof
        ("first", np.int64),  # ticks, when the first proof was accepted
        ("contests", np.int64),  # how often the claim that stood was contested
        ("overturned", np.int64),  # how often a higher proof said otherwise
        ("failed", np.int64),  # contests that nobody decided
        ("since", np.int64),  # ticks, the last contest
        ("held", np.int64),  # ticks from contests to their decisions
        ("judge", np.int64),  # the next in `judges` to be called
    ],
    align=True,
)
REGISTERS = np.dtype(
    [
        ("seed", np.int64),
        ("salt", np.int64),  # order of events of one instant
        ("now", np.int64),  # ticks
        ("heap_size", np.int64),
        ("next_job", np.int64),  # the next request
        ("jobs", np.int64),  # requests in all
        ("listed", np.int64),  # requests with an arrival time known beforehand
        ("live", np.int64),  # jobs asked for and not final
        ("events", np.int64),  # events handled
        ("traced", np.int64),  # events in the trace buffer
        ("tracing", np.int64),  # 1: record accepted events
        ("gas", np.int64),  # gwei that settling a proof costs who made it
        ("epoch", np.int64),  # ticks between epochs, 0 none
        ("horizon", np.int64),  # ticks, no request arrives and no epoch falls due later
        ("linked", np.int64),  # 1: the rule has `woken` or `ballot`, to be looked at after every event
        ("stop_on_win", np.int64),  # 1: who lost a race stops working at once
        ("every_proof", np.int64),  # 1: all who race hand in their proofs, and the rule pays more than the first
        ("size_mask", np.int64),  # 0: one size for all jobs, -1: one each; likewise below
        ("difficulty_mask", np.int64),
        ("fee_mask", np.int64),
        ("requester_mask", np.int64),
        ("row_mask", np.int64),
        ("models", np.int64),
        ("provers", np.int64),
        ("slots_each", np.int64),  # `slot` is so often the prover's number, known before its row is; 0: it is not
        ("parts", np.int64),  # of which a proof may cover the first ones only, 0: it covers all
        ("price_units", np.int64),  # units of size that a bid names the price of, 0: of the whole job
        ("price_step", np.int64),  # a bid is a multiple of it
        ("stuck", np.int64),  # jobs whose due timer was refused: a fault of the rule
    ],
    align=True,
)


class World(NamedTuple):
    """Everything `run` reads and writes. Int64 arrays unless a record type is named; times in ticks (ms)."""

    book: Book
    pool_slashed: Words  # taken from those who delegate to each actor, or empty; likewise
    leaving_slashed: Words  # from those on their way out
    may_prove: Words  # per job: bit `seat - 1` of each prover that may, or empty: anybody may
    seat: Words  # of each actor, from 1, where there is `may_prove`; 0 none
    woken: Words  # 1 + the other job that the last event moved on, 0 none; empty where a rule has no such thing
    ballot: Words  # per job: the ballot its committee (who has a `seat`) is called to, 0 none; empty: nobody votes
    choice: Words  # per job: what an honest member votes for, 0 nothing
    called: Words  # per job: the last ballot whose votes were cast; empty where nobody votes
    vote_at: Words  # per prover: when its vote arrives, -1 never; likewise
    vote_delay: Words  # per prover: ticks its votes take on average; likewise
    registers: Annotated[Rows, REGISTERS]  # one row
    provers: Annotated[Rows, PROVER]
    jobs: Annotated[Rows, JOB]
    arrive: Words  # per job; for a closed loop the pause before the request
    size: Words  # per job or one
    difficulty: Words  # Q16, per job or one
    max_fee: Words  # gwei, per job or one
    requester: Words  # actor, per job or one
    slots: Words  # when each slot is free
    toggles: Words  # when provers go on or off line
    noise: Words  # Q16, 1024 quantiles per model
    measured: Words  # rows x models, ms; -1 crash, 0 absent; empty: the fitted models are used
    row: Words  # per job: its row in `measured`
    racers: Words  # provers that work on jobs open to all
    twin: Words  # per prover: who hands in what it finishes too late, -1 itself; empty: itself
    stake: Words  # own stake of each actor, or empty
    lots: Words  # tree of the weights a rule draws by, where that is large; else empty
    guess: Words  # scratch: of draws to come, the first leaf of a block and the ticket in it
    minds: Words  # per policy of a prover: address of its function, address of its context
    place: Words  # per prover: its number within its class, and the size of that; empty where nobody has a mind
    ask: Words  # per prover: gwei a usual proof costs it, its honest price; empty where nobody has a mind
    bidders: Words  # provers that bid on single jobs
    lookers: Words  # provers that may copy others' proofs
    hold: Words  # per prover: ms for which its proofs are held up on their way; empty: none
    part: Words  # per job and prover: parts it proves, 0 all; empty where nobody decides about that
    claims: Annotated[Rows, CLAIM]  # per job, where a claim may be wrong or is looked at; else empty, likewise
    errs: Words  # per prover: share of its proofs that are wrong by mistake, in millionths
    spent: Words  # per prover: gwei spent on looks and on proofs that decide
    watchers: Words  # per one who looks at claims: prover, share of claims in millionths, ticks until then, gwei a look
    judges: Words  # per one who decides: prover, tier of its proof, ticks it takes, gwei it costs
    shown: Words  # what a policy is shown, one word a field of `policies.view.View`
    ends: Words  # scratch, per prover: when its present race ends
    event: Words  # the event being answered, seven words
    heap: Words
    trace: Words  # buffer of accepted events, seven words each
    counts: Words  # per kind and verdict
    slashes: Words  # log: count, then (time, actor, gwei) each


def rows(record: np.dtype[Any], count: int) -> Rows:
    """Make `count` zeroed records that begin at a line of the cache."""
    room = np.zeros(count * record.itemsize + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + count * record.itemsize].view(record)


def slots_for(capacity: Words) -> tuple[Words, Words, int]:
    """Make slots for provers of these capacities, all free; return them, the first of each prover, and `slots_each`.

    Provers alike get as many each, so that compiled code finds a slot without the prover's row: it takes both from
    memory at once.
    """
    each, count = int(capacity.max()), len(capacity)
    if each * count <= 2 * int(capacity.sum()):
        room = np.zeros(each * count + LINE // 8, np.int64)
        start = -room.ctypes.data % LINE // 8
        return room[start : start + each * count], np.arange(count) * each, each
    return np.zeros(int(capacity.sum()), np.int64), np.cumsum(capacity) - capacity, 0


def queue_of(events: int) -> Words:
    """Make an empty event queue of that size; the four events below another one share a line of the cache."""
    room = np.zeros(2 * events + LINE // 4, np.int64)
    start = (LINE - 2 * 8 - room.ctypes.data) % LINE // 8
    return room[start : start + 2 * events]


def words_of(value: tuple[Any, ...]) -> list[int]:
    """Words that compiled code finds a named tuple by: address and size of each array, and each integer."""
    words: list[int] = []
    for part in value:
        if isinstance(part, tuple):
            words += words_of(cast("tuple[Any, ...]", part))
        elif isinstance(part, np.ndarray):
            words += [part.ctypes.data, part.size]
        else:
            words.append(int(part))
    return words


def prefetch(cells: Rows | Words, index: int) -> None:
    """Let compiled code fetch a row or a word from memory that is needed soon; out of bounds it does nothing."""
    raise TypeError(f"only compiled code fetches {index} of {cells}")


def call(function: int, context: int, cells: Words) -> int:
    """Call a compiled rule or policy by its address: with that of its state and that of the event or view `cells`."""
    raise TypeError(f"only compiled code calls {function} with {context} and {cells}")
