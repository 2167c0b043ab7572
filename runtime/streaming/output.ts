import type { Readable, Writable } from "node:stream";
import type { Clock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { EXEC_DRAIN_MS } from "../limits.ts";

/** One output of a command on its way to the client. */
export interface OutputCopy {
  /** Settles when the output has ended and its last bytes are with the client's stream. */
  readonly ended: Promise<void>;
  /** Counts the bytes that were copied. */
  bytes(): number;
  /** Reports whether the client has to read before more is copied. */
  waits(): boolean;
}

/** Copies an output to the client; without one it is read and dropped. Ends when either side goes. */
export function copyOutput(
  from: Readable | null | undefined,
  to: Writable | undefined,
): OutputCopy {
  let bytes = 0;
  const waits = () => to !== undefined && !to.destroyed && to.writableNeedDrain;
  if (!from) return { ended: Promise.resolve(), bytes: () => 0, waits };
  const ended = new Promise<void>((resolve) => {
    from.once("end", resolve).once("close", resolve);
  });
  if (!to) {
    from.resume();
    return { ended: Promise.resolve(), bytes: () => 0, waits };
  }
  from.on("data", (chunk: Buffer) => void (bytes += chunk.length));
  from.pipe(to, { end: false });
  to.once("close", () => from.unpipe(to).resume());
  return { ended, bytes: () => bytes, waits };
}

/**
 * Waits for the output after the command's end: until it has ended, or nothing has come for
 * EXEC_DRAIN_MS, because the command's children may keep it open without end. Time in which the
 * client has to read first does not count: a slow one gets the output whole. Ends when the client
 * has gone.
 */
export async function drained(
  copies: readonly OutputCopy[],
  clock: Clock,
  gone: AbortSignal,
): Promise<void> {
  const ended = Promise.all(copies.map((copy) => copy.ended)).then(() => true);
  const total = () => copies.reduce((sum, copy) => sum + copy.bytes(), 0);
  const waits = () => copies.some((copy) => copy.waits());
  for (let quiet = false; !quiet && !gone.aborted; ) {
    const [before, waited] = [total(), waits()];
    const patience = new AbortController();
    const either = AbortSignal.any([patience.signal, gone]);
    const over = await Promise.race([ended, delay(clock, EXEC_DRAIN_MS, either)]);
    patience.abort();
    if (over) return;
    quiet = total() === before && !waited && !waits();
  }
}
