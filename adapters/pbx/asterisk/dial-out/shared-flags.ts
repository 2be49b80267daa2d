/** What the main thread and its standby tell each other without a message, which one that hangs would not read. */

/** Written by the main thread: 1 while its line is up, so that there is something to take away. */
export const LINE_IS_UP = 0;
/** Written as 1 by the standby when it takes the applications, and as 0 by the main thread when it has seen that. */
export const WAS_TAKEN = 1;

export const newFlags = (): Int32Array => new Int32Array(new SharedArrayBuffer(8));
