import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { EtcdClient } from "@raft2kube/client-etcd/client.ts";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { suiteFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";
import { etcd3FailoverRules } from "./etcd3-failover-rules.ts";
import { ETCDCTL } from "./etcdctl.ts";
import { SecureMembers } from "./secure-members.ts";

// Takes turns, members under load: see two-changes.test.ts.

const CONTENDERS = 4;
const ATTEMPTS_MAX = 10;
const TURNS_MS = 120_000;

describe.runIf(existsSync(ETCDCTL))("clients over TLS while members die", () => {
  const folder = suiteFolder("r2k-locks-");
  const running = new Set<ChildProcess>();
  /** Signal that is aborted with each test, so that no candidate campaigns after it. */
  let ending = new AbortController();
  let members: SecureMembers;
  let client: EtcdClient;
  let options: string[];
  beforeAll(async () => {
    members = await SecureMembers.start();
    client = await members.client();
    const { ca, cert, key } = await members.filesFor("locker");
    const endpoints = `--endpoints=${members.endpoints.join(",")}`;
    options = [endpoints, `--cacert=${ca}`, `--cert=${cert}`, `--key=${key}`];
  });
  afterEach(() => {
    ending.abort();
    ending = new AbortController();
    for (const child of running) child.kill("SIGKILL");
  });
  afterAll(async () => {
    await client?.close();
    await members?.stop();
  });

  describe("etcd3", () => etcd3FailoverRules(() => members));

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

  test("a lock never has two owners, and every client gets it in the end", async () => {
    const diary = join(folder, "diary");
    writeFileSync(diary, "");
    const script = `echo in >> ${diary}; sleep 0.3; echo out >> ${diary}`;
    const { signal } = ending;
    // One that a dying member failed asks again, as a person would.
    const contend = async () => {
      for (let attempt = 1; !signal.aborted && attempt <= ATTEMPTS_MAX; attempt++) {
        const asked = run("lock", "--ttl=10", "--", "mutex", "sh", "-c", script);
        if ((await asked.code) === 0) return;
        expect(attempt, asked.output).toBeLessThan(ATTEMPTS_MAX);
      }
    };
    const all = Promise.all(Array.from({ length: CONTENDERS }, contend));
    const lines = () =>
      readFileSync(diary, "utf8")
        .split("\n")
        .filter((line) => line !== "");
    await waitFor("the first owner", () => lines().length > 0, { timeout_ms: TURNS_MS });
    const leader = await members.leader(client);
    await members.kill(leader);
    await all;
    await members.resume(leader);
    expect(lines().length).toBeGreaterThanOrEqual(2 * CONTENDERS);
    expect(lines()).toEqual(lines().map((_, i) => (i % 2 === 0 ? "in" : "out")));
  });

  /** Stands for an office until it is won; one that a dying member failed stands again. */
  function campaign(name: string) {
    let asked = run("elect", "chief", name);
    const { signal } = ending;
    let resigned = false;
    const over = (async () => {
      for (let attempt = 1; !resigned && attempt <= ATTEMPTS_MAX; attempt++) {
        await asked.code;
        if (signal.aborted) return;
        if (!resigned) asked = run("elect", "chief", name);
      }
    })();
    return {
      won: () => asked.output.endsWith(`\n${name}\n`),
      resign: async () => {
        resigned = true;
        asked.child.kill("SIGTERM");
        await over;
      },
    };
  }

  test(
    "an election goes to the next when its winner resigns, leader or no leader",
    async () => {
      const standing = { key: Buffer.from("chief/"), rangeEnd: Buffer.from("chief0") };
      // Longer than the minute for which etcdctl's lease keeps the place of one that was failed.
      const until = (what: string, condition: () => boolean | Promise<boolean>) =>
        waitFor(what, condition, { timeout_ms: 90_000 });
      const first = campaign("first");
      await until("the first", () => first.won());
      const second = campaign("second");
      await until("the second to stand", async () => (await client.range(standing)).count === 2);
      const leader = await members.leader(client);
      await members.kill(leader);
      try {
        await until("a new leader", () =>
          client.range(standing).then(
            () => true,
            () => false,
          ),
        );
        expect(second.won()).toBe(false);
        await first.resign();
        await until("the second to win", () => second.won());
        await second.resign();
      } finally {
        await members.resume(leader);
      }
    },
    2 * TURNS_MS,
  );
});
