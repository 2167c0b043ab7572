import { RuntimeError } from "../errors.ts";
import { KILL_TIMEOUT_MS } from "../limits.ts";
import type { Ends, Machine, Records } from "../ports.ts";
import { signal } from "../process-identity.ts";
import type { ContainerRecord } from "./record.ts";
import { signalNumber } from "./signals.ts";

/**
 * Returns the container after the calls that started before have finished: a container that was
 * being started has started.
 */
async function settled(runtime: Records, id: string): Promise<ContainerRecord | undefined> {
  return await runtime.turns.run(id, () => Promise.resolve(runtime.containers.find(id)));
}

/** Kills all processes of a container and waits for its end. Idempotent. */
export async function killContainer(runtime: Records & Machine & Ends, id: string): Promise<void> {
  const record = await settled(runtime, id);
  if (record?.phase.state !== "running") return;
  signal(record.phase.process, "SIGKILL");
  runtime.cgroups.kill(record.cgroup);
  if (await runtime.exits.ended(id, KILL_TIMEOUT_MS)) return;
  const message = `container ${id} was killed and is still running after ${KILL_TIMEOUT_MS} ms`;
  throw new RuntimeError("deadline-exceeded", message);
}

/**
 * Serves StopContainer: its stop signal, then SIGKILL after `timeout_s` seconds (0: immediately).
 * Returns when it has ended. One that is unknown or does not run counts as stopped; one that is
 * being started is waited for. A caller that gives up before the SIGKILL has none sent: it may ask
 * again with a longer timeout.
 */
export async function stopContainer(
  runtime: Records & Machine & Ends,
  id: string,
  timeout_s: number,
  givenUp?: AbortSignal,
): Promise<void> {
  // lab:10 begin stopContainer
  const record = await settled(runtime, id);
  if (record?.phase.state !== "running") return;
  if (timeout_s > 0) {
    signal(record.phase.process, signalNumber(record.stopSignal));
    if (await runtime.exits.ended(id, timeout_s * 1000, givenUp)) return;
  }
  givenUp?.throwIfAborted();
  await killContainer(runtime, id);
  // lab:10 end
}
