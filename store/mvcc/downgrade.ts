import { MessageType } from "@raft2kube/proto/codec.ts";
import type { ResponseHeader } from "@raft2kube/proto/gen/etcd.ts";
import { CLUSTER_VERSION } from "../version.ts";
import { type State, header, notePending } from "./state.ts";

/** membershippb.DowngradeInfoSetRequest: begins a downgrade to a version, or ends the one begun. */
export interface DowngradeSet {
  enabled: boolean;
  /** `major.minor.0` */
  ver: string;
}
export const DowngradeSet: MessageType<DowngradeSet> = new MessageType(
  "membershippb.DowngradeInfoSetRequest",
  () => [
    { id: 1, name: "enabled", type: "bool" },
    { id: 2, name: "ver", type: "string" },
  ],
);

/** Where the downgrade lives in the backend: etcd's bucket and key. */
export const DOWNGRADE_KEY = Buffer.from("cluster/downgrade", "latin1");

/** etcd's own form of it. */
interface StoredDowngrade {
  "target-version": string;
  enabled: boolean;
}

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
 * The version whose rules the whole cluster keeps to: its own, or the one it was told to go back
 * to. Snapshots are written as that version's etcd reads them.
 */
export function clusterVersion({ downgradeTarget }: Pick<State, "downgradeTarget">): string {
  return downgradeTarget ?? CLUSTER_VERSION;
}
