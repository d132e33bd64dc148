"""What keeping the quarters counted costs while traffic goes on (`python -m benchmarks.rollup_refresh`)."""
