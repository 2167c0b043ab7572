import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { promisify } from "node:util";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import { Maintenance } from "@raft2kube/proto/gen/etcd.ts";
import { connectGrpc, client as rpcClient } from "@raft2kube/rpc/client.ts";
import { RpcError } from "@raft2kube/rpc/error.ts";
import { pick, type Random, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { describe, expect, test } from "vitest";
import { bytes } from "./fixture.ts";
import {
  ETCD_36_PROGRAM,
  ETCDCTL_36_PROGRAM,
  type Running,
  served,
  startEtcd,
  threeMembers,
} from "./implementations.ts";
import { recordedIn } from "./recorded.ts";

const SEED = 7;
const ROUNDS = 6;

interface Asked {
  revision: number;
  /** The answer, or etcd's error in its words. */
  answer: { hash: number; compactRevision: number; hashRevision: number } | string;
}

const KEYS = ["a", "b", "ba", "c", "\u0000", "\u00ff\u00ff"];

async function change(client: EtcdClient, random: Random): Promise<void> {
  const key = bytes(pick(random, KEYS));
  const value = bytes("v".repeat(randomInteger(random, 0, 300)));
  const die = random.next();
  if (die < 0.5) await client.put({ key, value, lease: pick(random, [0n, 0n, 77n]) });
  else if (die < 0.7) await client.deleteRange({ key, rangeEnd: bytes("c") });
  else if (die < 0.8) await client.deleteRange({ key });
  else {
    const other = KEYS[(KEYS.indexOf(key.toString("latin1")) + 1) % KEYS.length]!;
    const put = { requestPut: { key, value } };
    await client.txn({ success: [put, { requestDeleteRange: { key: bytes(other) } }] });
  }
}

/** Sends a store the same requests each time, and asks for hashes in between. */
async function session({ client, endpoint }: Running): Promise<Asked[]> {
  const random = seededRandom(SEED);
  const channel = connectGrpc(endpoint!);
  const { hashKV } = rpcClient(channel, Maintenance);
  const asked: Asked[] = [];
  const ask = async (revision: number) => {
    const answer = await hashKV({ revision }).then(
      ({ hash, compactRevision, hashRevision }) => ({ hash, compactRevision, hashRevision }),
      (thrown: unknown) => {
        if (thrown instanceof RpcError) return `${thrown.status} ${thrown.message}`;
        throw thrown;
      },
    );
    asked.push({ revision, answer });
  };
  await ask(0);
  await client.leaseGrant({ ID: 77n, TTL: 9_000 });
  let compacted = 0;
  for (let round = 0; round < ROUNDS; round++) {
    for (let i = 0; i < 12; i++) await change(client, random);
    const { header } = await client.range({ key: bytes("a") });
    const { revision } = header!;
    for (const back of [0, 1, 3, 9, 25]) {
      if (revision - back !== compacted) await ask(Math.max(1, revision - back));
    }
    await ask(revision + 1);
    if (round % 3 !== 2) continue;
    compacted = revision - randomInteger(random, 0, 8);
    await client.compact({ revision: compacted, physical: true }).catch(refused);
    // For the revision itself etcd may return the hash of its compaction.
    for (const about of [-1, 1]) await ask(compacted + about);
    await ask(0);
  }
  await client.leaseRevoke({ ID: 77n });
  await client.deleteRange({ key: Buffer.from([0]), rangeEnd: Buffer.from([0]) });
  const { header } = await client.range({ key: bytes("a") });
  await client.compact({ revision: header!.revision - 1, physical: true });
  await ask(0);
  await compactAtDeletion(client);
  for (const name of ["a", "b"]) await client.put({ key: bytes(name), value: bytes("v") });
  await ask(0);
  await client.deleteRange({ key: bytes("a"), rangeEnd: bytes("c") });
  await ask(0);
  channel.close();
  return asked;
}

/** Leaves a store without keys, whose compacted revision is a tombstone. */
async function compactAtDeletion(client: EtcdClient): Promise<void> {
  await client.put({ key: bytes("a"), value: bytes("v") });
  const { header } = await client.deleteRange({ key: bytes("a") });
  await client.compact({ revision: header!.revision, physical: true });
}

/** Compacting to what is compacted already is no mistake here. */
function refused(thrown: unknown): void {
  if (!(thrown instanceof EtcdError) || !thrown.is("compacted")) throw thrown;
}

async function sessionOn(start: () => Promise<Running>): Promise<Asked[]> {
  const running = await start();
  try {
    return await session(running);
  } finally {
    await running.stop();
  }
}

const recorded = recordedIn<Asked[]>("hash-kv.json");

describe("HashKV", () => {
  test("is etcd's, for one member and for a follower of three", async () => {
    expect(recorded.read().length).toBeGreaterThan(ROUNDS * 5);
    expect(await sessionOn(served.start)).toEqual(recorded.read());
    expect(await sessionOn(threeMembers.start)).toEqual(recorded.read());
  });
});

describe.runIf(existsSync(ETCD_36_PROGRAM))("etcd 3.6's own hashes", () => {
  test("etcdctl endpoint hashkv prints the same of both", async () => {
    const printed: string[] = [];
    for (const start of [served.start, () => startEtcd(ETCD_36_PROGRAM)]) {
      const { client, endpoint, stop } = await start();
      await client.put({ key: bytes("a"), value: bytes("b") });
      const address = new URL(endpoint!).host;
      const args = ["--endpoints", address, "endpoint", "hashkv"];
      const { stdout } = await promisify(execFile)(ETCDCTL_36_PROGRAM, args);
      printed.push(stdout.replace(address, "ENDPOINT"));
      await stop();
    }
    expect(printed[0]).toMatch(/^ENDPOINT, [0-9]+, 2\n$/);
    expect(printed[1]).toBe(printed[0]);
  });

  test("are those recorded", async () => {
    const answers = await sessionOn(() => startEtcd(ETCD_36_PROGRAM));
    recorded.check(answers, `[\n${answers.map((each) => JSON.stringify(each)).join(",\n")}\n]`);
  });
});
