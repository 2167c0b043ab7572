import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeConnection } from "@raft2kube/client-kube/transport/kubeconfig.ts";
import { boundCertificateChains } from "@raft2kube/linux/process/certificate-chains.ts";
import { collectCode } from "@raft2kube/linux/process/collect-garbage.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { startGivingBack } from "../give-back.ts";
import { UMASK } from "../process/running.ts";
import { type Closable, Parts } from "../process/started-parts.ts";
import { refusedPeers } from "../refused-peers.ts";
import { CommandError } from "../terminal.ts";

/**
 * Starts one part and resolves when it was closed: on SIGTERM or SIGINT; a second signal, and one
 * during the start, ends it immediately. `collect` frees, once after the start, what only the start
 * needed.
 */
export async function runPart(
  name: string,
  start: () => Promise<Closable>,
  collect = () => collectCode(),
): Promise<void> {
  process.umask(UMASK);
  boundCertificateChains(refusedPeers());
  let isStarted = false;
  const asked = Promise.withResolvers<void>();
  const stop = () => {
    if (!isStarted) process.exit(130);
    isStarted = false;
    asked.resolve();
  };
  // Before the start, which may wait for others: the first process of a container, as this one is,
  // gets no signal that it does not handle.
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, stop);
  const part = await start();
  isStarted = true;
  const givingBack = startGivingBack(systemClock({ unref: true }), collect);
  await asked.promise;
  logger(name).info("stopping");
  await givingBack.close();
  await part.close();
}

/** Starts parts that end in the opposite order, also where a later one does not start. */
export async function startTogether(start: (parts: Parts) => Promise<void>): Promise<Closable> {
  const parts = new Parts();
  try {
    await start(parts);
    return parts;
  } catch (thrown) {
    await parts.close();
    throw thrown;
  }
}

/** Runs a part with a client of the API, which is closed after it. */
export async function runWithClient(
  name: string,
  kubeconfig: string | undefined,
  start: (client: KubeClient, clock: Clock) => Promise<Closable>,
  collect?: () => void,
): Promise<void> {
  if (kubeconfig === undefined) {
    throw new CommandError("FLAG", "--kubeconfig is required", { remedy: `r2k ${name} --help` });
  }
  const clock = systemClock();
  const connection = await kubeConnection(kubeconfig);
  const client = new KubeClient({ ...connection, clock, userAgent: `r2k-${name}` });
  await runPart(name, () => start(client, clock), collect);
  client.close();
}
