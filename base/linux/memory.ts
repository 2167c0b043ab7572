import { messageOf } from "@raft2kube/std/errors.ts";
import koffi from "koffi";

/**
 * Gives freed memory back to the kernel: glibc keeps it, between what still lives, until something
 * asks for that much again (malloc_trim(3)). musl has no such call, nor anything to give back.
 */
export function returnFreedMemory(): void {
  const trim = mallocTrim();
  trim?.(0);
}

function mallocTrim(): ((pad: number) => number) | undefined {
  try {
    return koffi.load(null).func("int malloc_trim(size_t pad)");
  } catch (thrown) {
    if (messageOf(thrown).startsWith("Cannot find function")) return undefined;
    throw thrown;
  }
}
