import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { ETCDCTL } from "./etcdctl.ts";
import { SecureMembers } from "./secure-members.ts";

const clock = systemClock();
const CONTENDERS = 4;
const ATTEMPTS_MAX = 10;
const TURNS_MS = 120_000;

describe.runIf(existsSync(ETCDCTL))("etcdctl lock and elect over TLS while members die", () => {
  const folder = mkdtempSync(join(tmpdir(), "r2k-locks-"));
  const running = new Set<ChildProcess>();
  let members: SecureMembers;
  let client: EtcdClient;
  let options: string[];
  beforeAll(async () => {
    members = await SecureMembers.start();
    client = await members.client();
    const { ca, cert, key } = await members.filesFor("locker");
    const endpoints = `--endpoints=${members.endpoints.join(",")}`;
    options = [endpoints, `--cacert=${ca}`, `--cert=${cert}`, `--key=${key}`];
  }, TURNS_MS);
  afterEach(() => {
    for (const child of running) child.kill("SIGKILL");
  });
  afterAll(async () => {
    await client?.close();
    await members?.stop();
    rmSync(folder, { recursive: true });
  });

  /** Runs etcdctl; `output` grows while it does. */
  function run(...words: string[]) {
    const env = { ...process.env, ETCDCTL_API: "3" };
    const child = spawn(ETCDCTL, [...options, ...words], { env });
    running.add(child);
    const started = { child, output: "", code: new Promise<number | null>(() => undefined) };
    const add = (chunk: Buffer) => (started.output += chunk.toString());
    child.stdout.on("data", add);
    child.stderr.on("data", add);
    started.code = new Promise((resolve) => {
      child.once("close", (code) => {
        running.delete(child);
        resolve(code);
      });
    });
    return started;
  }

  test("a lock never has two owners, and everybody gets it in the end", async () => {
    const diary = join(folder, "diary");
    writeFileSync(diary, "");
    const script = `echo in >> ${diary}; sleep 0.3; echo out >> ${diary}`;
    // One that a dying member failed asks again, as a person would.
    const contend = async () => {
      for (let attempt = 1; attempt <= ATTEMPTS_MAX; attempt++) {
        const asked = run("lock", "--ttl=10", "--", "mutex", "sh", "-c", script);
        if ((await asked.code) === 0) return;
        expect(attempt, asked.output).toBeLessThan(ATTEMPTS_MAX);
      }
    };
    const all = Promise.all(Array.from({ length: CONTENDERS }, contend));
    const lines = () => readFileSync(diary, "utf8").split("\n").filter((line) => line !== "");
    await waitFor("the first owner", () => lines().length > 0, { clock, timeout_ms: TURNS_MS });
    const leader = await members.leader(client);
    await members.kill(leader);
    await all;
    await members.resume(leader);
    expect(lines().length).toBeGreaterThanOrEqual(2 * CONTENDERS);
    expect(lines()).toEqual(lines().map((_, i) => (i % 2 === 0 ? "in" : "out")));
  }, TURNS_MS);

  test("an election goes to the next when its winner resigns, leader or no leader", async () => {
    const first = run("elect", "chief", "first");
    const won = (words: { output: string }, name: string) => () =>
      words.output.endsWith(`\n${name}\n`);
    await waitFor("the first", won(first, "first"), { clock, timeout_ms: 30_000 });
    const second = run("elect", "chief", "second");
    const leader = await members.leader(client);
    await members.kill(leader);
    const asked = async () => (await client.range({ key: Buffer.from("x") })).header !== undefined;
    await waitFor("a new leader", () => asked().catch(() => false), { clock, timeout_ms: 30_000 });
    expect(second.output).not.toContain("second");
    first.child.kill("SIGTERM");
    await waitFor("the second", won(second, "second"), { clock, timeout_ms: 60_000 });
    second.child.kill("SIGTERM");
    await Promise.all([first.code, second.code]);
    await members.resume(leader);
  }, TURNS_MS);
});
