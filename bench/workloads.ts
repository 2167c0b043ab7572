import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { makeCredentials } from "./apiserver/credentials.ts";
import { oursOf, ROOT } from "./apiserver/sides.ts";
import { median, type Row } from "./benchmark.ts";
import { makeNodes, startFakeKubelet } from "./workloads/fake-kubelet.ts";
import { KINDS, type Kind, run } from "./workloads/kinds.ts";
import { type Manager, managers } from "./workloads/managers.ts";

const ROUNDS = 3;
/** Runs of each kind, of which the last is counted: a manager has been at work for long. */
const PASSES = 2;

type Found = Map<string, number[]>;

/**
 * 100 replicas of each kind come and go: our controllers and kube-controller-manager in turn on one
 * apiserver (ours), with the same rates of requests; pods get ready by a fake kubelet in this
 * process. Times, and CPU time of the controllers, are medians of the rounds.
 */
export async function workloads(args: readonly string[] = []): Promise<Row[]> {
  const { values } = parseArgs({ args: [...args], options: { rounds: { type: "string" } } });
  const rounds = Number(values.rounds ?? ROUNDS);
  const dir = mkdtempSync(join(tmpdir(), "r2k-bench-"));
  const clock = systemClock();
  const credentials = await makeCredentials(join(dir, "pki"));
  const both = managers();
  mkdirSync(join(dir, "api"));
  const api = await oursOf(ROOT, "workloads").start(join(dir, "api"), credentials);
  const identity = {
    ca: readFileSync(credentials.ca, "utf8"),
    cert: readFileSync(credentials.admin.cert, "utf8"),
    key: readFileSync(credentials.admin.key, "utf8"),
  };
  const rate = { qps: 10_000, burst: 10_000 };
  const client = new KubeClient({ server: api.server, ...identity, clock, ...rate });
  const kubelet = await startFakeKubelet(client);
  const found: Found[] = both.map(() => new Map());
  try {
    await makeNodes(client);
    for (let round = 0; round < rounds; round++) {
      for (const [side, manager] of both.entries()) {
        await measure(manager, client, { server: api.server, dir, credentials }, found[side]!);
      }
    }
    return KINDS.flatMap((kind) => rowsOf(kind, both[1].name, found));
  } finally {
    await kubelet.close();
    client.close();
    await api.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

async function measure(
  manager: Manager,
  client: KubeClient,
  place: Parameters<Manager["start"]>[0],
  into: Found,
): Promise<void> {
  const running = await manager.start(place, client);
  const note = (key: string, value: number) => into.set(key, [...(into.get(key) ?? []), value]);
  try {
    for (const [place, kind] of Array.from({ length: PASSES }, () => KINDS)
      .flat()
      .entries()) {
      const before_ms = running.cpu_ms();
      const { come_ms, go_ms } = await run(client, kind);
      const cpu_ms = running.cpu_ms() - before_ms;
      process.stderr.write(
        `  ${manager.name}: ${kind.name}: come ${come_ms.toFixed(0)} ms, ` +
          `go ${go_ms.toFixed(0)} ms, CPU ${cpu_ms} ms\n`,
      );
      if (place < (PASSES - 1) * KINDS.length) continue;
      note(`${kind.name} time`, come_ms + go_ms);
      note(`${kind.name} cpu`, cpu_ms);
    }
  } finally {
    await running.close();
  }
}

function rowsOf({ name }: Kind, peer: string, found: readonly Found[]): Row[] {
  const values = (key: string) => found.map((each) => each.get(`${name} ${key}`) ?? []);
  const range = (all: readonly number[]) => [Math.min(...all), Math.max(...all)] as const;
  return ["time", "cpu"].map((key) => {
    const [ours = [], theirs = []] = values(key);
    return {
      what: `100 pods of a ${name} come and go: ${key === "cpu" ? "CPU time" : "time"}`,
      unit: "ms",
      goal: "<= 1x",
      ours: median(ours),
      peer: { name: peer, value: median(theirs) },
      ranges: { ours: range(ours), peer: range(theirs) },
    };
  });
}
