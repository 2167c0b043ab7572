import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** Sends a signal to a process, which may have ended by itself; resolves when it has. */
export async function killed(child: ChildProcess, signal: NodeJS.Signals = "SIGKILL") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const gone = once(child, "exit");
  child.kill(signal);
  await gone;
}
