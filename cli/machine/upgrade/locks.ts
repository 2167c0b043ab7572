import { LeaderElection } from "@raft2kube/client-kube/leader-election.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { tryLock } from "@raft2kube/linux/file/flock.ts";
import { aborted, waitFor } from "@raft2kube/std/wait.ts";
import { CommandError } from "../../terminal.ts";
import type { MachineContext } from "../context.ts";
import { NODE_AGENT } from "../layout.ts";

/** An upgrade whose machine is lost excludes others for so long; the API server restarts in it. */
const LEASE_MS = 120_000;
const LEASE_WAIT_MS = 5_000;
const LEASE = { namespace: "kube-system", name: "r2k-upgrade" };

/** Runs `work` while no other upgrade of this machine runs. Throws CommandError `BUSY`. */
export async function withOwnLock<T>(work: () => Promise<T>): Promise<T> {
  using lock = tryLock(NODE_AGENT.upgradeLock);
  if (lock !== undefined) return await work();
  throw new CommandError("BUSY", "another upgrade of this machine runs", {
    remedy: "wait for its end",
  });
}

/**
 * Runs `work` while no other control plane machine is upgraded: a store of three members goes on
 * without one, and not without two. Throws CommandError `BUSY`.
 */
export async function withLease<T>(
  { nodeName: identity, clock, signal }: MachineContext,
  client: KubeClient,
  work: () => Promise<T>,
): Promise<T> {
  const election = new LeaderElection({
    client,
    lease: LEASE,
    identity,
    clock,
    duration_ms: LEASE_MS,
    renewDeadline_ms: LEASE_MS,
    lead: (lost) => aborted(lost),
  });
  election.start();
  try {
    const held = { clock, signal, timeout_ms: LEASE_WAIT_MS };
    await waitFor("the lease of upgrades", () => election.leading, held).catch((cause: unknown) => {
      signal.throwIfAborted();
      throw new CommandError("BUSY", "another control plane machine is being upgraded", {
        remedy:
          `kubectl get lease -n ${LEASE.namespace} ${LEASE.name} names it; one that was ` +
          `interrupted is waited for ${LEASE_MS / 1000} s`,
        cause,
      });
    });
    return await work();
  } finally {
    await election.close();
  }
}
