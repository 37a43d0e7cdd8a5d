// A batch of at most `size` transfers that takes the tree of accounts from one root to the next: the same statement as the leaf
// in ../leaf, in circom. Tags in brackets name the constraints; tests/proofs/test_groth16.py has an input that each refuses.
pragma circom 2.1.6;

include "poseidon2.circom";
include "bits.circom";
include "grumpkin.circom";
include "constants.circom";

// Root above the leaf `at`.
template Climb(depth) {
    signal input at;
    signal input bits[depth];
    signal input path[depth];
    signal output out;
    component level[depth];
    signal turn[depth];
    for (var i = 0; i < depth; i++) {
        level[i] = Hash(2);
        var below = at;
        if (i > 0) {
            below = level[i - 1].out;
        }
        turn[i] <== bits[i] * (path[i] - below); // 0 if `below` is the left child
        level[i].in[0] <== below + turn[i];
        level[i].in[1] <== path[i] - turn[i];
    }
    out <== level[depth - 1].out;
}

// Whether s G = R + e A, with e the hash of R, A and the message: 1 or no witness where `enabled`.
template Signed() {
    signal input enabled;
    signal input key[2];
    signal input commitment[2];
    signal input response[2]; // low 128 bits, high 126
    signal input message;
    component challenge = Hash(5);
    challenge.in <== [commitment[0], commitment[1], key[0], key[1], message];
    component e = FieldBits();
    e.in <== challenge.out;
    component low = Bits(128);
    component high = Bits(126);
    low.in <== response[0];
    high.in <== response[1];
    component made = Combine();
    for (var i = 0; i < 128; i++) {
        made.s[i] <== low.out[i];
    }
    for (var i = 0; i < 126; i++) {
        made.s[128 + i] <== high.out[i];
    }
    made.e <== e.out;
    made.key <== key;
    enabled * (made.out[0] - commitment[0]) === 0; // [signature]
    enabled * (made.out[1] - commitment[1]) === 0; // [signature]
}

// One transfer: the sender's account is opened, debited and written back; then the recipient's is opened and credited.
template Transfer(depth) {
    signal input root;
    signal input chain_id;
    signal input enabled;
    signal input from;
    signal input to;
    signal input amount;
    signal input fee;
    signal input sender[4]; // x, y, balance, nonce; before the transfer
    signal input sender_path[depth];
    signal input recipient[4]; // after the sender was debited
    signal input recipient_path[depth];
    signal input commitment[2];
    signal input response[2];
    signal output next;
    signal output message;

    enabled * (enabled - 1) === 0; // [enabled]
    component from_bits = Bits(depth);
    component to_bits = Bits(depth);
    from_bits.in <== from; // [from]
    to_bits.in <== to; // [to]
    component named = Hash(7);
    named.in <== [TRANSFER(), chain_id, from, to, amount, fee, sender[3]];
    message <== named.out;
    component signed = Signed();
    signed.enabled <== enabled;
    signed.key <== [sender[0], sender[1]];
    signed.commitment <== commitment;
    signed.response <== response;
    signed.message <== message;

    component opened = Hash(4);
    opened.in <== sender;
    component first = Climb(depth);
    first.at <== opened.out;
    first.bits <== from_bits.out;
    first.path <== sender_path;
    enabled * (first.out - root) === 0; // [sender]

    component small[4];
    for (var i = 0; i < 4; i++) {
        small[i] = Bits(64);
    }
    small[0].in <== amount; // [amount]
    small[1].in <== fee; // [fee]
    small[2].in <== sender[2] - amount - fee; // [overdraft]
    small[3].in <== recipient[2] + amount; // [overflow]

    component debited = Hash(4);
    debited.in <== [sender[0], sender[1], sender[2] - amount - fee, sender[3] + 1];
    component middle = Climb(depth);
    middle.at <== debited.out;
    middle.bits <== from_bits.out;
    middle.path <== sender_path;
    component held = Hash(4);
    held.in <== recipient;
    component second = Climb(depth);
    second.at <== held.out;
    second.bits <== to_bits.out;
    second.path <== recipient_path;
    enabled * (second.out - middle.out) === 0; // [recipient]

    component credited = Hash(4);
    credited.in <== [recipient[0], recipient[1], recipient[2] + amount, recipient[3]];
    component after = Climb(depth);
    after.at <== credited.out;
    after.bits <== to_bits.out;
    after.path <== recipient_path;
    next <== root + enabled * (after.out - root);
}

template Leaf(size, depth) {
    signal input old_root;
    signal input new_root;
    signal input commitment; // to the messages of the transfers, in order; empty slots don't count
    signal input fee_total;
    signal input chain_id;
    signal input payout; // whom the proof pays: a copy with another address is another statement, and not proven
    signal input node_key; // 0: these proofs are not joined
    signal input enabled[size];
    signal input from[size];
    signal input to[size];
    signal input amount[size];
    signal input fee[size];
    signal input sender[size][4];
    signal input sender_path[size][depth];
    signal input recipient[size][4];
    signal input recipient_path[size][depth];
    signal input signer[size][2]; // signature (Schnorr): R
    signal input response[size][2]; // and s = low + 2^128 high

    signal bound <== payout * payout; // in a constraint, so that its value counts
    node_key === 0; // [node key]
    component transfer[size];
    component appended[size];
    signal commitments[size + 1];
    signal fees[size + 1];
    commitments[0] <== 0;
    fees[0] <== 0;
    for (var k = 0; k < size; k++) {
        transfer[k] = Transfer(depth);
        if (k == 0) {
            transfer[k].root <== old_root;
        } else {
            transfer[k].root <== transfer[k - 1].next;
        }
        transfer[k].chain_id <== chain_id;
        transfer[k].enabled <== enabled[k];
        transfer[k].from <== from[k];
        transfer[k].to <== to[k];
        transfer[k].amount <== amount[k];
        transfer[k].fee <== fee[k];
        transfer[k].sender <== sender[k];
        transfer[k].sender_path <== sender_path[k];
        transfer[k].recipient <== recipient[k];
        transfer[k].recipient_path <== recipient_path[k];
        transfer[k].commitment <== signer[k];
        transfer[k].response <== response[k];
        appended[k] = Hash(3);
        appended[k].in <== [APPEND(), commitments[k], transfer[k].message];
        commitments[k + 1] <== commitments[k] + enabled[k] * (appended[k].out - commitments[k]);
        fees[k + 1] <== fees[k] + enabled[k] * fee[k];
    }
    transfer[size - 1].next === new_root; // [new root]
    commitments[size] === commitment; // [commitment]
    fees[size] === fee_total; // [fee total]
}
