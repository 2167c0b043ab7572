import { LeaderElection } from "@raft2kube/client-kube/leader-election.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { aborted } from "@raft2kube/std/wait.ts";
import { awaited, type MachineContext } from "../context.ts";

/** An upgrade whose machine is lost excludes others for so long; the API server restarts in it. */
const LEASE_MS = 120_000;
const LEASE_WAIT_MS = 5_000;
const LEASE = { namespace: "kube-system", name: "r2k-upgrade" };
const HOLDER = `kubectl get lease -n ${LEASE.namespace} ${LEASE.name}`;

/**
 * Runs `work` while no other control plane machine is upgraded: a store of three members goes on
 * without one, and not without two. Throws CommandError `BUSY`.
 */
export async function withLease(
  context: MachineContext,
  client: KubeClient,
  work: () => Promise<void>,
): Promise<void> {
  const { nodeName: identity, clock } = context;
  const times = { duration_ms: LEASE_MS, renewDeadline_ms: LEASE_MS, clock };
  const election = new LeaderElection({ client, lease: LEASE, identity, ...times, lead: aborted });
  election.start();
  try {
    await awaited(context, "the lease of upgrades", () => election.leading, LEASE_WAIT_MS, {
      code: "BUSY",
      text: "another control plane machine is being upgraded",
      remedy: `${HOLDER} names it; an interrupted one is waited for ${LEASE_MS / 1000} s`,
    });
    await work();
  } finally {
    await election.close();
  }
}
