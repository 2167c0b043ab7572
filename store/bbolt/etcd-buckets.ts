import type { BboltBucket } from "@raft2kube/bbolt/write.ts";
import type { BackendPair, BackendSnapshot } from "../backend/backend.ts";
import type { Membership } from "../core/types.ts";
import { clusterVersion, decodeDowngrade } from "../mvcc/apply/downgrade.ts";
import { readMeta } from "../mvcc/persist/flush/meta.ts";
import { bucket } from "../mvcc/persist/restore/restore.ts";
import { recordKey } from "../mvcc/records/revision.ts";
import { MemberTable } from "../mvcc/state/cluster/members.ts";

/**
 * etcd's buckets in the order of their names, as its schema of the cluster's version has them.
 * Records, leases, alarms, auth and a downgrade are in our backend as they are in etcd's; members
 * and figures are not.
 */
export function etcdBuckets(view: BackendSnapshot): BboltBucket[] {
  const same = (name: string) => ({ name, pairs: () => bare(view, name) });
  return [
    same("alarm"),
    same("auth"),
    same("authRoles"),
    same("authUsers"),
    { name: "cluster", pairs: () => cluster(view) },
    same("key"),
    same("lease"),
    { name: "members", pairs: () => members(view) },
    { name: "members_removed", pairs: () => removedMembers(view) },
    { name: "meta", pairs: () => metaPairs(view) },
  ];
}

/** The version of etcd's schema that a snapshot of this view has. */
export async function storageVersion(view: BackendSnapshot): Promise<string> {
  let downgradeTarget: string | undefined;
  for await (const chunk of view.scan(bucket("cluster"))) {
    for (const [, value] of chunk) downgradeTarget = decodeDowngrade(value);
  }
  return clusterVersion({ downgradeTarget });
}

/** The first version of etcd that stores its schema version: older ones do not know the field. */
const FIRST_TO_SAY = "3.6.0";

const pair = (key: string, value: string | Buffer): BackendPair => [
  Buffer.from(key),
  Buffer.from(value),
];

async function* once(pairs: BackendPair[]): AsyncGenerator<BackendPair[]> {
  yield pairs.sort(([a], [b]) => a.compare(b));
}

async function* cluster(view: BackendSnapshot): AsyncGenerator<BackendPair[]> {
  const pairs = [pair("clusterVersion", await storageVersion(view))];
  for await (const chunk of bare(view, "cluster")) pairs.push(...chunk);
  yield* once(pairs);
}

/** The pairs under a prefix, without it. */
async function* bare(view: BackendSnapshot, name: string): AsyncGenerator<BackendPair[]> {
  for await (const chunk of view.scan(bucket(name))) {
    yield chunk.map(([key, value]) => [key.subarray(name.length + 1), value]);
  }
}

async function* members(view: BackendSnapshot): AsyncGenerator<BackendPair[]> {
  const table = new MemberTable();
  for await (const chunk of view.scan(bucket("members"))) {
    for (const [key, value] of chunk) table.restore(key, value);
  }
  const { learners } = (await readMeta(view)).membership;
  yield* once(
    table.values().map(({ ID, peerURLs, name, clientURLs }) => {
      const known = {
        peerURLs,
        ...(learners.includes(ID) ? { isLearner: true } : {}),
        ...(name === "" ? {} : { name }),
        ...(clientURLs.length === 0 ? {} : { clientURLs }),
      };
      // JSON.stringify has no 64-bit integers.
      return pair(hex(ID), `{"id":${ID},${JSON.stringify(known).slice(1)}`);
    }),
  );
}

async function* removedMembers(view: BackendSnapshot): AsyncGenerator<BackendPair[]> {
  const removed: BackendPair[] = [];
  for await (const chunk of bare(view, "members_removed")) {
    for (const [id] of chunk) removed.push(pair(hex(BigInt(`0x${id}`)), "removed"));
  }
  yield* once(removed);
}

/** etcd writes ids without leading zeros. */
const hex = (id: bigint) => id.toString(16);

async function* metaPairs(view: BackendSnapshot): AsyncGenerator<BackendPair[]> {
  const meta = await readMeta(view);
  const pairs = [
    pair("confState", confState(meta.membership)),
    pair("consistent_index", u64(meta.appliedIndex)),
    pair("term", u64(meta.appliedTerm)),
  ];
  const version = await storageVersion(view);
  if (version === FIRST_TO_SAY) pairs.push(pair("storageVersion", version));
  const { compactRevision: scheduled, compactedRevision: finished } = meta;
  if (scheduled > 0) pairs.push(pair("scheduledCompactRev", revisionKey(scheduled)));
  if (finished > 0) pairs.push(pair("finishedCompactRev", revisionKey(finished)));
  yield* once(pairs);
}

const revisionKey = (main: number): Buffer => recordKey(main, 0, false).subarray("key/".length);

function u64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}

/** raftpb.ConfState as Go's encoding/json writes it. */
function confState({ voters, outgoing, learners, learnersNext, autoLeave }: Membership): string {
  const list = (name: string, ids: bigint[]) =>
    ids.length > 0 ? [`"${name}":[${ids.join(",")}]`] : [];
  const fields = [
    ...list("voters", voters),
    ...list("learners", learners),
    ...list("voters_outgoing", outgoing),
    ...list("learners_next", learnersNext),
    `"auto_leave":${autoLeave}`,
  ];
  return `{${fields.join(",")}}`;
}
