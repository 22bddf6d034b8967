//! What the outcomes say: basins, agreement, verdict, report.
