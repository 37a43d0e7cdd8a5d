# llvmlite ships no types. Intrinsics are made in two files, and there all of it may be Any.
