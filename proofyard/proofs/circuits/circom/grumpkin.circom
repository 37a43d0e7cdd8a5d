// Points of Grumpkin, y^2 = x^3 - 17, whose coordinates are numbers of this field. `OFFSET` and `OFFSET_END` are written when
// the circuit is built: a point nobody knows the logarithm of, and its multiple that the sum below starts with.
pragma circom 2.1.6;

template Double() {
    signal input in[2];
    signal output out[2];
    signal square <== in[0] * in[0];
    signal slope <-- 3 * square / (2 * in[1]);
    slope * 2 * in[1] === 3 * square;
    out[0] <== slope * slope - 2 * in[0];
    out[1] <== slope * (in[0] - out[0]) - in[1];
}

// Two points with different x; equal ones have no witness.
template Add() {
    signal input a[2];
    signal input b[2];
    signal output out[2];
    signal inverse <-- 1 / (b[0] - a[0]);
    inverse * (b[0] - a[0]) === 1;
    signal slope <== (b[1] - a[1]) * inverse;
    out[0] <== slope * slope - a[0] - b[0];
    out[1] <== slope * (a[0] - out[0]) - a[1];
}

// s G - e A, both numbers as 254 bits: for each pair of bits one of H, H + G, H - A, H + G - A is added, and at the end the
// (2^254 - 1) H in it are taken off again.
template Combine() {
    signal input s[254];
    signal input e[254];
    signal input key[2];
    signal output out[2];
    var base[2] = [OFFSET(0), OFFSET(1)];
    var both[2] = [OFFSET_AND_G(0), OFFSET_AND_G(1)];
    component minus = Add();
    component plus = Add();
    minus.a <== base;
    plus.a <== both;
    minus.b[0] <== key[0];
    minus.b[1] <== -key[1];
    plus.b[0] <== key[0];
    plus.b[1] <== -key[1];
    signal pair[254];
    signal steps[254][2];
    signal picked[254][2];
    component twice[253];
    component sum[253];
    for (var i = 0; i < 254; i++) {
        pair[i] <== s[i] * e[i];
        for (var j = 0; j < 2; j++) { // base + s (both - base) + e (minus - base) + s e (plus - both - minus + base)
            steps[i][j] <== e[i] * (minus.out[j] - base[j]);
            picked[i][j] <== base[j] + s[i] * (both[j] - base[j]) + steps[i][j]
                + pair[i] * (plus.out[j] - both[j] - minus.out[j] + base[j]);
        }
    }
    for (var i = 252; i >= 0; i--) {
        twice[i] = Double();
        if (i == 252) {
            twice[i].in <== picked[253];
        } else {
            twice[i].in <== sum[i + 1].out;
        }
        sum[i] = Add();
        sum[i].a <== twice[i].out;
        sum[i].b <== picked[i];
    }
    component end = Add();
    end.a <== sum[0].out;
    end.b[0] <== OFFSET_END(0);
    end.b[1] <== OFFSET_END(1);
    out <== end.out;
}
