import type { Clock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";

const INTERRUPT_TIMEOUT_MS = 10_000;

/** A test names a step after which this process interrupts itself, as Ctrl-C would. */
export async function interruptForTest(
  title: string,
  { clock, signal }: { readonly clock: Clock; readonly signal: AbortSignal },
): Promise<void> {
  if (process.env["R2K_INTERRUPT_AFTER"] !== title) return;
  process.kill(process.pid, "SIGINT");
  await delay(clock, INTERRUPT_TIMEOUT_MS, signal);
}
