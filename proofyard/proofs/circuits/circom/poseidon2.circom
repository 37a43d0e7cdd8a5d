// Poseidon2 over the scalar field of BN254, width 4, as a sponge of rate 3 whose capacity starts with the length times 2^64;
// proofyard/rollup/poseidon2.py computes the same. `ROUND` and `DIAGONAL` are written from its table when the circuit is built.
pragma circom 2.1.6;

// In each S-box x^5 is spelled out: as a template it would cost a constraint more, for its input.
template Outer(round) {
    signal input in[4];
    signal output out[4];
    signal square[4];
    signal fourth[4];
    signal box[4];
    for (var j = 0; j < 4; j++) {
        var x = in[j] + ROUND(round, j);
        square[j] <== x * x;
        fourth[j] <== square[j] * square[j];
        box[j] <== fourth[j] * x;
    }
    var t0 = box[0] + box[1];
    var t1 = box[2] + box[3];
    var t2 = 2 * box[1] + t1;
    var t3 = 2 * box[3] + t0;
    var t4 = 4 * t1 + t3;
    var t5 = 4 * t0 + t2;
    out[0] <== t3 + t5;
    out[1] <== t5;
    out[2] <== t2 + t4;
    out[3] <== t4;
}

// Seven inner rounds: between S-boxes everything is linear, and signals only every seventh round keep the sums short.
template Inner(first) {
    signal input in[4];
    signal output out[4];
    signal square[7];
    signal fourth[7];
    signal box[7];
    var a = in[0];
    var b = in[1];
    var c = in[2];
    var d = in[3];
    for (var r = 0; r < 7; r++) {
        var x = a + ROUND(first + r, 0);
        square[r] <== x * x;
        fourth[r] <== square[r] * square[r];
        box[r] <== fourth[r] * x;
        var total = box[r] + b + c + d;
        a = total + DIAGONAL(0) * box[r];
        b = total + DIAGONAL(1) * b;
        c = total + DIAGONAL(2) * c;
        d = total + DIAGONAL(3) * d;
    }
    out[0] <== a;
    out[1] <== b;
    out[2] <== c;
    out[3] <== d;
}

template Permute() {
    signal input in[4];
    signal output out[4];
    component before[4];
    component inner[8];
    component after[4];
    var t0 = in[0] + in[1];
    var t1 = in[2] + in[3];
    var t2 = 2 * in[1] + t1;
    var t3 = 2 * in[3] + t0;
    var t4 = 4 * t1 + t3;
    var t5 = 4 * t0 + t2;
    for (var r = 0; r < 4; r++) {
        before[r] = Outer(r);
    }
    before[0].in[0] <== t3 + t5;
    before[0].in[1] <== t5;
    before[0].in[2] <== t2 + t4;
    before[0].in[3] <== t4;
    for (var r = 1; r < 4; r++) {
        before[r].in <== before[r - 1].out;
    }
    for (var r = 0; r < 8; r++) {
        inner[r] = Inner(4 + 7 * r);
        if (r == 0) {
            inner[r].in <== before[3].out;
        } else {
            inner[r].in <== inner[r - 1].out;
        }
    }
    for (var r = 0; r < 4; r++) {
        after[r] = Outer(60 + r);
        if (r == 0) {
            after[r].in <== inner[7].out;
        } else {
            after[r].in <== after[r - 1].out;
        }
    }
    out <== after[3].out;
}

// Hash of `count` numbers.
template Hash(count) {
    signal input in[count];
    signal output out;
    var calls = (count + 2) \ 3;
    component step[calls];
    for (var k = 0; k < calls; k++) {
        step[k] = Permute();
        for (var j = 0; j < 3; j++) {
            var given = 3 * k + j < count ? 1 : 0;
            if (k == 0 && given) {
                step[k].in[j] <== in[3 * k + j];
            } else if (k == 0) {
                step[k].in[j] <== 0;
            } else if (given) {
                step[k].in[j] <== step[k - 1].out[j] + in[3 * k + j];
            } else {
                step[k].in[j] <== step[k - 1].out[j];
            }
        }
        if (k == 0) {
            step[k].in[3] <== count * 18446744073709551616; // 2^64
        } else {
            step[k].in[3] <== step[k - 1].out[3];
        }
    }
    out <== step[calls - 1].out[0];
}
