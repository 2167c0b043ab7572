import koffi from "koffi";

/**
 * Bytes of stack of a call in another thread. libnftables has a buffer of 64 KiB and a page there:
 * with koffi's 128 KiB little is left, and a larger one steps over the guard page.
 */
const CALL_STACK_BYTES = 1024 * 1024;

// Can be set only before the first library is loaded.
if (koffi.config().async_stack_size !== CALL_STACK_BYTES) {
  koffi.config({ async_stack_size: CALL_STACK_BYTES });
}

export default koffi;
