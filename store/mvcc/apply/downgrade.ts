import type { ResponseHeader } from "@raft2kube/proto/gen/etcd.ts";
import { CodedError } from "@raft2kube/std/errors.ts";
import { CLUSTER_VERSION, VERSION_BEFORE } from "../../version.ts";
import { header, notePending, type State } from "../state/state.ts";
import type { DowngradeSet } from "./command.ts";

/** The backend key of the downgrade: etcd's bucket and key. */
export const DOWNGRADE_KEY = Buffer.from("cluster/downgrade", "latin1");

/** The downgrade in etcd's own form. */
type StoredDowngrade = { "target-version": string; enabled: boolean };

/** Applies a decision about downgrading; whether it may be was looked at before it was proposed. */
export function downgradeSet(state: State, request: DowngradeSet): { header: ResponseHeader } {
  const { enabled, ver } = request;
  state.downgradeTarget = enabled ? ver : undefined;
  notePending(state, DOWNGRADE_KEY, enabled ? encodeDowngrade(ver) : undefined);
  return { header: header(state) };
}

function encodeDowngrade(target: string): Buffer {
  const stored: StoredDowngrade = { "target-version": target, enabled: true };
  return Buffer.from(JSON.stringify(stored));
}

/** The target in a record of the backend. */
export function decodeDowngrade(value: Buffer): string {
  return (JSON.parse(value.toString()) as StoredDowngrade)["target-version"];
}

/**
 * Converts etcd's record of a downgrade into our form; undefined if none is under way, or if its
 * target version is not older than ours, so that it is complete.
 */
export function importDowngrade(value: Buffer): Buffer | undefined {
  const { enabled, "target-version": target } = JSON.parse(value.toString()) as StoredDowngrade;
  if (!enabled || target === CLUSTER_VERSION) return undefined;
  if (target === VERSION_BEFORE) return encodeDowngrade(target);
  throw new CodedError("DOWNGRADE_TARGET", `a downgrade to ${target} is under way in it`, {
    remedy: `here it leads to ${VERSION_BEFORE}: end it where it began (etcdctl downgrade cancel)`,
  });
}

/**
 * The version whose rules the whole cluster keeps to: its own, or the one it is downgraded
 * to. Snapshots are written as that version's etcd reads them.
 */
export function clusterVersion({ downgradeTarget }: Pick<State, "downgradeTarget">): string {
  return downgradeTarget ?? CLUSTER_VERSION;
}
