"""What every room may use: errors, configuration, clock, ids, trace, logging. No I/O libraries."""
