"""The console's use cases: `door` signs in and out, `board` follows the cases, `casework` acts on one."""
