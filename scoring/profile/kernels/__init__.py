"""The compiled part of profiles: helpers that LLVM joins into two cached entry points."""
