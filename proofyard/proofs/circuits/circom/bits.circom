pragma circom 2.1.6;

// The bits of a number below 2^n, lowest first; no other number has a witness.
template Bits(n) {
    signal input in;
    signal output out[n];
    var sum = 0;
    for (var i = 0; i < n; i++) {
        out[i] <-- (in >> i) & 1;
        out[i] * (out[i] - 1) === 0;
        sum += out[i] * 2 ** i;
    }
    sum === in;
}

// The bits of any number of the field, of which 254 bits can spell some twice: only the spelling below the prime has a witness.
template FieldBits() {
    signal input in;
    signal output out[254];
    component bits = Bits(254);
    bits.in <== in;
    signal equal[255]; // so far, from the top, no smaller than the prime less one
    equal[254] <== 1;
    var top = -1; // the largest number
    for (var i = 253; i >= 0; i--) {
        if ((top >> i) & 1) {
            equal[i] <== equal[i + 1] * bits.out[i];
        } else {
            equal[i + 1] * bits.out[i] === 0; // [canonical]
            equal[i] <== equal[i + 1];
        }
    }
    out <== bits.out;
}
