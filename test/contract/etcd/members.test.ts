import { type ChildProcess, spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { freePort } from "../../../testing/free-port.ts";
import { waitFor } from "../../../testing/wait.ts";
import { readyBundle, spawnBundled } from "../bundled.ts";
import { ETCDCTL, PATIENT } from "./etcdctl.ts";
import { bytes, shorthand } from "./fixture.ts";

// Takes turns, members under load: see two-changes.test.ts.

/** A member that is a process of its own. */
interface Member {
  name: string;
  clientPort: number;
  peerUrl: string;
  dataDir: string;
  process: ChildProcess | undefined;
  output: string;
}

let folder: string;
let all: Member[];

beforeAll(readyBundle);
beforeEach(async () => {
  folder = testFolder("r2k-processes-");
  all = [];
  for (const name of ["a", "b", "c"]) all.push(await newMember(name));
});
afterEach(() => Promise.all(all.map((member) => end(member, "SIGKILL"))));

async function newMember(name: string): Promise<Member> {
  const [clientPort, peerPort] = [await freePort(), await freePort()];
  const peerUrl = `http://127.0.0.1:${peerPort}`;
  const dataDir = join(folder, `${name}-${clientPort}`);
  return { name, clientPort, peerUrl, dataDir, process: undefined, output: "" };
}

const endpointOf = ({ clientPort }: Member) => `127.0.0.1:${clientPort}`;

function start(member: Member, cluster: Member[], state = "new"): void {
  const { name, dataDir, peerUrl } = member;
  const client = `http://${endpointOf(member)}`;
  const flags = [
    ...["--name", name, "--data-dir", dataDir],
    ...["--listen-client-urls", client, "--advertise-client-urls", client],
    ...["--listen-peer-urls", peerUrl, "--initial-advertise-peer-urls", peerUrl],
    ...["--initial-cluster", cluster.map((each) => `${each.name}=${each.peerUrl}`).join(",")],
    ...["--initial-cluster-state", state],
  ];
  const child = spawnBundled(["store", ...flags]);
  member.process = child;
  member.output = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream!.on("data", (chunk: Buffer) => (member.output += chunk.toString()));
  }
}

function isUp(member: Member): Promise<unknown> {
  const serving = () => {
    const ended = member.process && member.process.exitCode !== null;
    // Thrown inside, so that it is reported at the timeout.
    if (ended) throw new Error(`${member.name} has ended: ${member.output}`);
    return member.output.includes("serving etcd v3");
  };
  return waitFor(`${member.name} to serve`, serving);
}

async function startAll(): Promise<void> {
  for (const member of all) start(member, all);
  await Promise.all(all.map(isUp));
}

/** Ends a member's process; resolves with its exit code. */
function end(member: Member, signal: NodeJS.Signals): Promise<number | null> {
  const child = member.process;
  member.process = undefined;
  if (!child || child.exitCode !== null) return Promise.resolve(child?.exitCode ?? null);
  return new Promise((resolve) => {
    child.once("exit", (code) => resolve(code));
    child.kill(signal);
  });
}

async function leader(client: EtcdClient): Promise<bigint> {
  return (await client.status({ timeout_ms: 1_000 })).leader;
}

async function theLeader(among: Member[]): Promise<Member> {
  return waitFor("a leader", async () => {
    for (const member of among) {
      const client = connectEtcd({ endpoints: [`http://${endpointOf(member)}`] });
      const { header } = await client.status({ timeout_ms: 1_000 }).finally(() => client.close());
      if ((await leaderVia(member)) === header!.memberId) return member;
    }
    return undefined;
  });
}

async function leaderVia(member: Member): Promise<bigint> {
  const client = connectEtcd({ endpoints: [`http://${endpointOf(member)}`] });
  return leader(client).finally(() => client.close());
}

interface Load {
  acknowledged: Map<string, number>;
  stop(): Promise<void>;
}

/** Writers that each count up in a key of their own; what failed may have been done or not. */
function load(client: EtcdClient): Load {
  const acknowledged = new Map<string, number>();
  let running = true;
  const write = async (name: string) => {
    for (let value = 1; running; value++) {
      try {
        await client.put({ key: bytes(name), value: bytes(`${value}`) }, { timeout_ms: 10_000 });
        acknowledged.set(name, value);
      } catch (thrown) {
        if (!isLoss(thrown)) throw thrown;
      }
    }
  };
  const writers = Array.from({ length: 10 }, (_, i) => write(`writer-${i}`));
  return {
    acknowledged,
    async stop() {
      running = false;
      await Promise.all(writers);
    },
  };
}

/** Whether an error is one that a client may get when a member dies. */
function isLoss(thrown: unknown): boolean {
  const losses: number[] = [Status.UNAVAILABLE, Status.INTERNAL, Status.DEADLINE_EXCEEDED];
  return thrown instanceof EtcdError && losses.includes(thrown.status);
}

function sum(values: Map<string, number>): number {
  return [...values.values()].reduce((total, value) => total + value, 0);
}

test("S1: kill -9 of the leader under load loses nothing, and service goes on", async () => {
  await startAll();
  const client = connectEtcd({ endpoints: all.map((each) => `http://${endpointOf(each)}`) });
  const work = load(client);
  const grow = (by: number) => {
    const from = sum(work.acknowledged);
    const enough = () => sum(work.acknowledged) > from + by;
    return waitFor(`${by} acknowledged`, enough);
  };
  for (let round = 0; round < 2; round++) {
    await grow(500);
    const victim = await theLeader(all);
    await end(victim, "SIGKILL");
    await grow(500);
    start(victim, all);
    await isUp(victim);
  }
  await work.stop();
  for (const member of all) {
    const own = connectEtcd({ endpoints: [`http://${endpointOf(member)}`] });
    for (const [name, value] of work.acknowledged) {
      const found = await shorthand(own).get(name);
      expect(Number(found?.value), `${name} on ${member.name}`).toBeGreaterThanOrEqual(value);
    }
    await own.close();
  }
  await client.close();
});

/** Runs etcdctl to its end. */
function etcdctl(endpoints: Member[], line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const args = ["--endpoints", endpoints.map(endpointOf).join(","), ...line.split(" ")];
    const child = spawn(ETCDCTL, args, { env: { ...process.env, ...PATIENT, ETCDCTL_API: "3" } });
    let output = "";
    for (const stream of [child.stdout, child.stderr]) {
      stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
    }
    child.once("error", reject);
    child.once("close", () => resolve(output));
  });
}

describe.runIf(existsSync(ETCDCTL))("the real etcdctl", () => {
  test("lists, adds, promotes, removes members, moves the leader", async () => {
    await startAll();
    const [a] = all as [Member, ...Member[]];
    const listed = await etcdctl([a], "member list");
    for (const { name, peerUrl, clientPort } of all) {
      expect(listed).toContain(`, started, ${name}, ${peerUrl}, http://127.0.0.1:${clientPort}, `);
    }
    const oneLeads = async () => {
      const table = await etcdctl(all, "endpoint status -w table");
      expect(table.match(/\| +true \| +false \|/g)).toHaveLength(1);
      expect(table.match(/\| +false \| +false \|/g)).toHaveLength(2);
      return true;
    };
    await waitFor("one to lead", oneLeads);
    expect(await etcdctl(all, "endpoint health")).not.toContain("unhealthy");

    const d = await newMember("d");
    const added = await etcdctl([a], `member add d --learner --peer-urls=${d.peerUrl}`);
    const id = /Member +([0-9a-f]+) added to cluster/.exec(added)?.[1] ?? added;
    expect(added).toContain('ETCD_INITIAL_CLUSTER_STATE="existing"');
    const early = await etcdctl([a], `member promote ${id}`);
    expect(early).toContain("can only promote a learner member which is in sync with leader");
    start(d, [...all, d], "existing");
    all.push(d);
    await isUp(d);
    // Short ids are padded with blanks.
    const promoted = new RegExp(`Member +${id} promoted`);
    // A learner serves before the leader knows how far it is.
    const promote = async () => promoted.test(await etcdctl([a], `member promote ${id}`));
    await waitFor("d to be promoted", promote);
    const follower = all.find((member) => member !== a && member !== d)!;
    await etcdctl([follower], "put after promotion");
    expect(await etcdctl([d], "get after")).toBe("after\npromotion\n");

    const moved = await etcdctl(all, `move-leader ${id}`);
    expect(moved).toContain(`to ${id}`);
    const follows = async () => (await leaderVia(a)).toString(16) === id;
    await waitFor("a to hear of its new leader", follows);
    const removed = new RegExp(`Member +${id} removed`);
    expect(await etcdctl([a], `member remove ${id}`)).toMatch(removed);
    await waitFor("d to end", () => d.output.includes("was removed"));
    expect(await etcdctl([a], "member list")).not.toContain(id);
    await etcdctl([a], "put still here");
    expect(await etcdctl([follower], "get still")).toBe("still\nhere\n");
  });
});

test("a member that is asked to stop hands over, and says goodbye in order", async () => {
  await startAll();
  const first = await theLeader(all);
  expect(await end(first, "SIGTERM")).toBe(0);
  const rest = all.filter((member) => member !== first);
  const second = await theLeader(rest);
  const client = connectEtcd({ endpoints: [`http://${endpointOf(second)}`] });
  await client.put({ key: bytes("k"), value: bytes("v") });
  await client.close();
});
