import { readFileSync } from "node:fs";
import { messageOf } from "@raft2kube/std/errors.ts";
import koffi from "../syscall/koffi.ts";

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

/** <asm-generic/mman-common.h>. Of a file's pages nothing is lost: they are read again. */
const MADV_DONTNEED = 4;
const OWN_CODE = /^([0-9a-f]+)-([0-9a-f]+) r-xp \S+ \S+ \S+ +(.+)$/;

/**
 * Takes the pages of Node's own code out of this process's memory. A start runs through most of
 * them, later work through a third; pages come back at their next use, 64 KiB at a time, out of the
 * kernel's cache of the file. The kernel can drop the rest there when room is short.
 */
export function returnUnusedCode(): void {
  const madvise = koffi.load(null).func("int madvise(uintptr_t from, size_t length, int advice)");
  for (const line of readFileSync("/proc/self/maps", "latin1").split("\n")) {
    const [, from, to, file] = OWN_CODE.exec(line) ?? [];
    if (from === undefined || to === undefined || file !== process.execPath) continue;
    const start = Number.parseInt(from, 16);
    // Advice: where the kernel does not take it, the pages stay, and nothing is wrong.
    madvise(start, Number.parseInt(to, 16) - start, MADV_DONTNEED);
  }
}
