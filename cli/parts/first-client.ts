import { existsSync } from "node:fs";
import type { Kubelet } from "@raft2kube/kubelet/main.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { resultWithin, waitFor } from "@raft2kube/std/wait.ts";
import { CERTIFICATE_LOG } from "../machine/kubelet-client.ts";

/** A request that is pending after this time waits for a person: static pods run meanwhile. */
const PENDING_AFTER_MS = 45_000;
/** How long a first certificate is tried for, as upstream's, and how often. */
const BOOTSTRAP_MS = 300_000;
const BOOTSTRAP_INTERVAL_MS = 1_000;

/**
 * Gets a certificate. While a node that has none yet gets no answer, its static pods run: the API
 * server can be one of them, as after `kubeadm join --control-plane`.
 */
export async function firstClient(
  obtain: () => Promise<void>,
  clock: Clock,
  kubeconfig: string,
  startStatic: () => Promise<Pick<Kubelet, "close">>,
): Promise<void> {
  // Without the API, the pods of a node that was one would be taken for orphans.
  if (existsSync(kubeconfig)) return obtain();
  let pending: Promise<true> | undefined = obtain().then(() => true);
  try {
    if (await resultWithin(clock, pending, PENDING_AFTER_MS, () => false)) return;
    CERTIFICATE_LOG.warn("none yet, kubectl get csr has its request: static pods run meanwhile");
  } catch (thrown) {
    pending = undefined;
    CERTIFICATE_LOG.warn("none yet: static pods run meanwhile", { err: thrown });
  }
  const statics = await startStatic();
  const again = () => {
    const attempt = pending ?? obtain().then(() => true);
    pending = undefined;
    return attempt;
  };
  const limits = { clock, timeout_ms: BOOTSTRAP_MS, interval_ms: BOOTSTRAP_INTERVAL_MS };
  await waitFor("the kubelet's certificate", again, limits).finally(() => statics.close());
}
