; The arithmetic of the vault's shares and slashes for all amounts: each claim is denied, and z3 finds no values that do.
; What a division rounds down to is only known to be at most the quotient: q = a * b / c becomes q * c <= a * b. That is
; all the contract's Math.mulDiv promises that is needed here, and it leaves polynomials over the reals, which z3 decides.
; A gwei or a share is a real number at least 0; V shares are nobody's.
(define-fun V () Real 1000.0)
(define-fun CHEAPEST () Real 17179869184.0)        ; shares to a gwei after a loss, 2**34
(define-fun MOST () Real 2305843009213693952.0)    ; gwei in the vault, 2**61
(declare-const assets Real)   ; gwei in a pool
(declare-const all Real)      ; its shares
(declare-const some Real)     ; shares of one of them
(declare-const amount Real)   ; gwei that come in
(declare-const minted Real)   ; shares for them
(declare-const worth Real)    ; gwei that shares are paid
(assert (and (>= assets 0) (>= all 0) (>= some 0) (<= some all) (>= amount 0) (>= minted 0) (>= worth 0)))

(push) (echo "shares are worth no more than the pool: less than a gwei beyond it, so none in whole gwei")
(assert (<= (* worth (+ all V)) (* some (+ assets 1))))
(assert (>= worth (+ assets 1)))
(check-sat) (pop)

(push) (echo "who comes in takes nothing from who is there: a share is worth as much as before or more")
(assert (<= (* minted (+ assets 1)) (* amount (+ all V))))
(assert (< (* (+ assets amount 1) (+ all V)) (* (+ assets 1) (+ all minted V))))
(check-sat) (pop)

(push) (echo "who goes out takes nothing from who stays")
(assert (<= (* worth (+ all V)) (* some (+ assets 1))))
(assert (< (* (+ (- assets worth) 1) (+ all V)) (* (+ assets 1) (+ (- all some) V))))
(check-sat) (pop)

(push) (echo "in and out again pays no more than was paid in")
(assert (<= (* minted (+ assets 1)) (* amount (+ all V))))
(assert (<= (* worth (+ all minted V)) (* minted (+ assets amount 1))))
(assert (> worth amount))
(check-sat) (pop)

(push) (echo "a reward makes no share worth less")
(assert (< (* (+ assets amount 1) (+ all V)) (* (+ assets 1) (+ all V))))
(check-sat) (pop)

(push) (echo "shares after a halving are no more than (CHEAPEST + V) to a gwei")
(assert (<= all (* CHEAPEST (+ assets 1))))
(assert (> (+ all V) (* (+ CHEAPEST V) (+ assets 1))))
(check-sat) (pop)

(push) (echo "and stay so when somebody comes in")
(assert (<= (+ all V) (* (+ CHEAPEST V) (+ assets 1))))
(assert (<= (* minted (+ assets 1)) (* amount (+ all V))))
(assert (> (+ all minted V) (* (+ CHEAPEST V) (+ assets amount 1))))
(check-sat) (pop)

(push) (echo "and when somebody goes out")
(assert (<= (+ all V) (* (+ CHEAPEST V) (+ assets 1))))
(assert (<= (* worth (+ all V)) (* some (+ assets 1))))
(assert (> (+ (- all some) V) (* (+ CHEAPEST V) (+ (- assets worth) 1))))
(check-sat) (pop)

(push) (echo "so all shares of a pool fit into 96 bits, and nobody is refused for being counted in too many")
(assert (<= (+ all V) (* (+ CHEAPEST V) (+ assets 1))))
(assert (<= assets MOST))
(assert (>= all 79228162514264337593543950336.0))
(check-sat) (pop)

(push) (echo "halved shares of two holders are no more than their halved sum")
(declare-const one Int)
(declare-const two Int)
(declare-const sum Int)
(assert (and (>= one 0) (>= two 0) (>= sum (+ one two))))
(assert (> (+ (div one 2) (div two 2)) (div sum 2)))
(check-sat) (pop)

(push) (echo "a slash takes from no part more than is there, and there is room for what the floors leave over")
(declare-const taken Real)
(declare-const a Real) (declare-const b Real) (declare-const c Real) (declare-const d Real)  ; own, exiting, queue, delegated
(declare-const p Real) (declare-const q Real) (declare-const r Real)                         ; parts of the last three
(define-fun whole () Real (+ a b c d))
(assert (and (>= a 0) (>= b 0) (>= c 0) (>= d 0) (>= p 0) (>= q 0) (>= r 0) (> taken 0) (<= taken whole)))
(assert (and (<= (* p whole) (* taken b)) (<= (* q whole) (* taken c)) (<= (* r whole) (* taken d))))
(assert (or (> p b) (> q c) (> r d) (> (+ p q r) taken) (> (- taken p q r) (+ a (- b p) (- c q) (- d r)))))
(check-sat) (pop)

(push) (echo "a requester's share of a slash, and what is burnt, are what was taken; and it gets no more than the operator lost")
(declare-const slashed Real) (declare-const theirs Real) (declare-const bips Real) (declare-const floor Real)
(declare-const share Real)
(assert (and (>= theirs 0) (<= theirs slashed) (>= bips 0) (<= bips 10000) (>= floor 0)))
(assert (<= (* floor 10000) (* slashed bips)))
(assert (= share (ite (> floor (- slashed theirs)) (- slashed theirs) floor)))
(assert (or (< share 0) (> share slashed) (> (+ share theirs) slashed)))
(check-sat) (pop)
