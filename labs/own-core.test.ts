import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { connectEtcd } from "@raft2kube/client-etcd/grpc.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, describe, expect, it } from "vitest";
import { ROOT_DIR } from "./runner/paths.ts";
import { freePort } from "@raft2kube/rpc/testing/free-port.ts";
import { OwnPart, markOf } from "./testing/own-part.ts";

const TIMEOUT_MS = 180_000;
const LABS = ["03", "04", "05"];
const ETCDCTL = ["/usr/bin/etcdctl", join(ROOT_DIR, ".peers/bin/etcdctl")].find(existsSync);
const run = promisify(execFile);

const own = new OwnPart("own-core", LABS);
let members: Member[] = [];
afterAll(() => own.remove());

interface Member {
  readonly endpoint: string;
  readonly output: () => string;
}

async function startMembers(program: string): Promise<Member[]> {
  const names = ["a", "b", "c"];
  const ports: number[] = [];
  for (let i = 0; i < 2 * names.length; i++) ports.push(await freePort());
  const peerUrl = (i: number) => `http://127.0.0.1:${ports[2 * i + 1]}`;
  const all = names.map((name, i) => `${name}=${peerUrl(i)}`).join(",");
  return names.map((name, i) => {
    const endpoint = `http://127.0.0.1:${ports[2 * i]}`;
    const flags = [
      ["--name", name],
      ["--data-dir", join(own.folder, name)],
      ["--listen-client-urls", endpoint],
      ["--listen-peer-urls", peerUrl(i)],
      ["--initial-advertise-peer-urls", peerUrl(i)],
      ["--initial-cluster", all],
    ];
    return { endpoint, output: own.start(program, ["store", ...flags.flat()]) };
  });
}

describe("a reader's own core", { timeout: TIMEOUT_MS }, () => {
  it("is used once it has passed, and not before", async () => {
    await expect(own.lab("use", "own", "core")).rejects.toThrow(/none has passed/);
    await own.write("--runs", "1");
    const output = await own.lab("use", "own", "core");
    for (const number of LABS) expect(output).toContain(`lab ${number}: yours`);
  });

  it("runs the store, of three members, for etcd's clients", async () => {
    members = await startMembers(await own.bundle());
    const clients = members.map(({ endpoint }) => connectEtcd({ endpoints: [endpoint] }));
    const [client] = clients;
    const key = Buffer.from("lab");
    const value = Buffer.from("own core");
    const soon = { clock: systemClock(), timeout_ms: 60_000 };
    await waitFor("the members to elect a leader", () => client!.put({ key, value }), soon);
    // Two members are enough for a leader: wait for each of them.
    for (const each of clients) {
      const { kvs } = await waitFor("the member to answer", () => each.range({ key }), soon);
      expect(kvs[0]?.value.toString()).toBe("own core");
    }
    for (const { output } of members) {
      for (const number of LABS) expect(output()).toContain(markOf(number));
    }
    for (const each of clients) await each.close();
  });

  it.runIf(ETCDCTL !== undefined)("serves etcdctl", async () => {
    const etcdctl = async (at: number, ...words: string[]) => {
      const args = ["--endpoints", members[at]!.endpoint, ...words];
      return (await run(ETCDCTL!, args, { env: { ...own.env, ETCDCTL_API: "3" } })).stdout;
    };
    expect(await etcdctl(0, "put", "by", "etcdctl")).toBe("OK\n");
    expect(await etcdctl(2, "get", "by")).toBe("by\netcdctl\n");
  });
});
