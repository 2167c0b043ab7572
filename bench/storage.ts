import { mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { kubeconfig } from "@raft2kube/pki/kubeconfig.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { CLASS_NAME, makeStorageObjects, NODE_NAME } from "../test/e2e/storage-faults/objects.ts";
import { makeCredentials } from "./apiserver/credentials.ts";
import { oursOf, ROOT } from "./apiserver/sides.ts";
import { median, quantile, type Row } from "./benchmark.ts";
import { Claims, type Times } from "./storage/claims.ts";
import { startNode } from "./storage/node.ts";
import { type Sidecars, sidecars } from "./storage/sidecars.ts";
import { type Manager, managers } from "./workloads/managers.ts";

const CLAIMS = 100;
const IN_FLIGHT = 5;
const ROUNDS = 3;
/** Claims before those that count: programs load what they use. */
const WARM_UP = 5;

type Side = readonly [Manager, Sidecars];

/**
 * 100 claims from their creation until their pods are ready, and away again: our controllers and
 * sidecars, and kube-controller-manager with upstream's sidecars, in turn on one apiserver (ours).
 * Driver (ours, with attaching) and kubelet (its volumes, without containers) are the same for
 * both, in this process.
 */
export async function storage(args: readonly string[] = []): Promise<Row[]> {
  const text = { type: "string" } as const;
  const { values } = parseArgs({
    args: [...args],
    options: { rounds: text, claims: text, "in-flight": text },
  });
  const dir = realpathSync(mkdtempSync(join(tmpdir(), "r2k-bench-storage-")));
  const credentials = await makeCredentials(join(dir, "pki"));
  const [[ourManager, theirManager], [ourSidecars, theirSidecars]] = [managers(), sidecars()];
  const both: readonly Side[] = [
    [ourManager, ourSidecars],
    [theirManager, theirSidecars],
  ];
  mkdirSync(join(dir, "api"));
  const api = await oursOf(ROOT, "storage").start(join(dir, "api"), credentials);
  const access = {
    server: api.server,
    ca: readFileSync(credentials.ca, "utf8"),
    cert: readFileSync(credentials.admin.cert, "utf8"),
    key: readFileSync(credentials.admin.key, "utf8"),
  };
  const config = join(dir, "sidecars.kubeconfig");
  writeFileSync(config, kubeconfig("bench", access), { mode: 0o600 });
  const client = new KubeClient({ ...access, clock: systemClock(), qps: 1e4, burst: 1e4 });
  const found: readonly Found[] = both.map(() => ({
    come_ms: [],
    bound_ms: [],
    attached_ms: [],
    go_ms: [],
    cpu_ms: [],
  }));
  try {
    await makeStorageObjects(client);
    const node = await startNode(client, NODE_NAME, dir);
    const claims = new Claims(client, NODE_NAME);
    const plan = {
      claims: Number(values.claims ?? CLAIMS),
      inFlight: Number(values["in-flight"] ?? IN_FLIGHT),
    };
    for (let round = 0; round < Number(values.rounds ?? ROUNDS); round++) {
      for (const [i, [manager, beside]] of both.entries()) {
        const place = { server: api.server, dir, credentials };
        const running = await manager.start(place, client);
        const { driverSocket } = node;
        const atWork = beside.start({ kubeconfig: config, driverSocket, dir });
        const name = (n: number) => `r${round}-s${i}-${n}`;
        await claims.run(
          range(WARM_UP, (n) => name(plan.claims + n)),
          1,
          CLASS_NAME,
        );
        const before_ms = running.cpu_ms() + atWork.cpu_ms();
        const times = await claims.run(range(plan.claims, name), plan.inFlight, CLASS_NAME);
        note(found[i]!, times, running.cpu_ms() + atWork.cpu_ms() - before_ms);
        process.stderr.write(`  ${manager.name}, ${beside.name}: ${summary(times)}\n`);
        await atWork.close();
        await running.close();
      }
    }
    await claims.close();
    await node.close();
    return rowsOf(`${theirManager.name}, ${theirSidecars.name}`, plan.claims, found);
  } finally {
    client.close();
    await api.close();
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Times of all rounds. */
interface Found extends Times {
  /** CPU time of controllers and sidecars, by round. */
  readonly cpu_ms: number[];
}

function range(count: number, name: (n: number) => string): string[] {
  return Array.from({ length: count }, (_, n) => name(n));
}

function note(into: Found, times: Times, cpu_ms: number): void {
  for (const part of ["come_ms", "bound_ms", "attached_ms", "go_ms"] as const) {
    into[part].push(...times[part]);
  }
  into.cpu_ms.push(cpu_ms);
}

function summary({ come_ms, bound_ms, attached_ms, go_ms }: Times): string {
  const of = (values: readonly number[]) =>
    `p50 ${quantile(values, 0.5).toFixed(0)} ms, p99 ${quantile(values, 0.99).toFixed(0)} ms`;
  const parts = `bound ${of(bound_ms)}; attached ${of(attached_ms)}`;
  return `come ${of(come_ms)} (${parts}); go ${of(go_ms)}`;
}

function rowsOf(peer: string, count: number, [ours, theirs]: readonly Found[]): Row[] {
  const row = (what: string, of: (found: Found) => number, goal: string): Row => ({
    what,
    unit: "ms",
    goal,
    ours: of(ours!),
    peer: { name: peer, value: of(theirs!) },
  });
  const both = ({ come_ms, go_ms }: Found) => come_ms.map((come, i) => come + go_ms[i]!);
  return [
    row("claim to ready pod, p50", (found) => quantile(found.come_ms, 0.5), "<= 0.7x"),
    row("claim to ready pod, p99", (found) => quantile(found.come_ms, 0.99), "<= 0.7x"),
    row("away again, p50", (found) => quantile(found.go_ms, 0.5), "<= 0.7x"),
    row("away again, p99", (found) => quantile(found.go_ms, 0.99), "<= 0.7x"),
    row("both, p50", (found) => quantile(both(found), 0.5), "<= 0.7x"),
    row("both, p99", (found) => quantile(both(found), 0.99), "<= 0.7x"),
    row(
      `CPU time of controllers and sidecars, ${count} claims`,
      (found) => median(found.cpu_ms),
      "printed",
    ),
  ];
}
