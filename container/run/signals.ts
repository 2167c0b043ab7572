import { signal } from "@raft2kube/runtime/process-identity.ts";
import type { HandContainer } from "../engine/hand.ts";

const PASSED = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT", "SIGUSR1", "SIGUSR2"] as const;

/** Passes signals that this command gets to the container's process. Returns what ends that. */
export function passSignals({ record }: HandContainer, { tty }: { tty: boolean }): () => void {
  const { phase } = record;
  if (phase.state !== "running" || tty) return () => undefined;
  const handlers = PASSED.map((name) => [name, () => void signal(phase.process, name)] as const);
  for (const [name, handler] of handlers) process.on(name, handler);
  return () => {
    for (const [name, handler] of handlers) process.off(name, handler);
  };
}
