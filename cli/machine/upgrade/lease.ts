import { existsSync } from "node:fs";
import { LeaderElection } from "@raft2kube/client-kube/leader-election.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { aborted } from "@raft2kube/std/wait.ts";
import { awaited, type MachineContext } from "../context.ts";
import { UPGRADE_BACKUP_DIR } from "../layout.ts";

/** An upgrade whose machine is lost excludes others for so long; the API server restarts in it. */
const LEASE_MS = 120_000;
const LEASE_WAIT_MS = 5_000;
/** How long the API server may take to start, where an interrupted upgrade has ended it. */
export const API_TIMEOUT_MS = 60_000;
const LEASE = { namespace: "kube-system", name: "r2k-upgrade" };
const HOLDER = `kubectl get lease -n ${LEASE.namespace} ${LEASE.name}`;

/**
 * Runs `work` while no other control plane machine is upgraded: a store of three members goes on
 * without one, and not without two. Throws CommandError `BUSY`. One that `goesOn` after an
 * interruption waits for the API server too, which may end once more by its new manifest.
 */
export async function withLease(
  context: Pick<MachineContext, "nodeName" | "clock" | "signal">,
  client: KubeClient,
  work: () => Promise<void>,
  goesOn = existsSync(UPGRADE_BACKUP_DIR),
): Promise<void> {
  const { nodeName: identity, clock } = context;
  const wait_ms = goesOn ? API_TIMEOUT_MS : LEASE_WAIT_MS;
  const times = { duration_ms: LEASE_MS, renewDeadline_ms: LEASE_MS, clock };
  const election = new LeaderElection({ client, lease: LEASE, identity, ...times, lead: aborted });
  election.start();
  try {
    await awaited(context, "the lease of upgrades", () => election.leading, wait_ms, {
      code: "BUSY",
      text: "another control plane machine is being upgraded, or the API server is away",
      remedy: `${HOLDER} names it; an interrupted one is waited for ${LEASE_MS / 1000} s`,
    });
    await work();
  } finally {
    await election.close();
  }
}
