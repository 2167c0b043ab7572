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

/**
 * Takes the pages of Node's own code and constants out of this process's memory. A start runs
 * through most of them, later work through a third; pages come back at their next use, 64 KiB at a
 * time, out of the kernel's cache of the file. The kernel can drop the rest there when room is
 * short.
 */
export function returnUnusedCode(): void {
  const madvise = koffi.load(null).func("int madvise(uintptr_t from, size_t length, int advice)");
  const own = ownMappings(readFileSync("/proc/self/maps", "latin1"));
  for (const [index, { from, to, access }] of own.entries()) {
    if (!/^r-[x-]p/.test(access)) continue;
    // The loader wrote addresses to the pages before the variables, and made them read-only since.
    const next = own[index + 1];
    if (next?.from === to && next.access.startsWith("rw")) continue;
    // Advice: where the kernel does not take it, the pages stay, and nothing is wrong.
    madvise(from, to - from, MADV_DONTNEED);
  }
}

/** The mappings of this program's file, by address. */
function ownMappings(maps: string) {
  const lines = maps.split("\n").filter((line) => line.endsWith(` ${process.execPath}`));
  return lines.map((line) => {
    const [range = "", access = ""] = line.split(" ", 2);
    const [from = 0, to = 0] = range.split("-").map((address) => Number.parseInt(address, 16));
    return { from, to, access };
  });
}
