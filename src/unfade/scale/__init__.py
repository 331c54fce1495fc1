"""The same work over many processes and machines: functions mapped over units, which know no stage."""
