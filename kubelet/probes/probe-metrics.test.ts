import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { exposition } from "@raft2kube/observe/exposition.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { expect, test } from "vitest";
import type { ObservedContainer } from "../cri/observed.ts";
import type { Runtime } from "../cri/runtime.ts";
import { accessOf } from "../server/authorization.ts";
import { PodProbes } from "./pod-probes.ts";
import { ProbeMetrics } from "./probe-metrics.ts";
import { ProbeTurns } from "./probe-turns.ts";

/** A probe whose command takes so many milliseconds, and ends with this code or cannot be run. */
const probe = (takes_ms: number, ends: number | "error") => ({
  exec: { command: [`${takes_ms}`, `${ends}`] },
  periodSeconds: 1,
});

test("probes are counted by result, and timed, over all runs of their container", async () => {
  const clock = new ManualClock();
  const execSync = async ({ cmd: [takes_ms, ends] }: { cmd: string[] }) => {
    await delay(clock, Number(takes_ms));
    if (ends === "error") throw new Error("no runtime");
    return { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), exitCode: Number(ends) };
  };
  const metadata = { name: "p", namespace: "n", uid: "u" };
  const [readinessProbe, livenessProbe] = [probe(20, 0), { ...probe(5, 1), failureThreshold: 99 }];
  const containers = [
    { name: "a", readinessProbe, livenessProbe },
    { name: "b", livenessProbe: probe(5, "error") },
  ];
  const pod = { metadata, spec: { containers } } as Pod;
  const metrics = new ProbeMetrics();
  const probes = new PodProbes({
    clock,
    runtime: { runtime: { execSync } } as unknown as Runtime,
    events: { record: () => undefined },
    turns: new ProbeTurns(clock),
    metrics,
    pod: () => pod,
    podIP: () => "10.1.0.2",
    changed: () => undefined,
    wasReady: () => false,
    wasStarted: () => true,
  });
  for (const run of ["0", "1"]) {
    const started = { startedAt_ms: clock.now() };
    const running = ["a", "b"].map((name) => ({ ...started, name, id: `${name}-${run}` }));
    probes.sync(running as ObservedContainer[]);
    for (let ms = 0; ms < 1_100; ms++) {
      clock.advance(1);
      for (let turn = 0; turn < 9; turn++) await Promise.resolve();
    }
  }
  const { body } = await exposition(metrics.registry);
  probes.close();
  expect((await exposition(metrics.registry)).body).not.toContain('pod="p"');
  const of = (kind: string) => `probe_type="${kind}",container="a",pod="p",namespace="n"`;
  const lines = body.split("\n").filter((line) => !line.startsWith("#"));
  expect(lines.filter((line) => line.startsWith("prober_probe_total")).toSorted()).toEqual([
    `prober_probe_total{${of("Liveness")},result="failed",pod_uid="u"} 4`,
    `prober_probe_total{${of("Readiness")},result="successful",pod_uid="u"} 4`,
  ]);
  const durations = lines.filter((line) => /_duration_.*(le="(0.01|0.025)"|_count)/.test(line));
  expect(durations).toEqual([
    `prober_probe_duration_seconds_bucket{${of("Readiness")},le="0.01"} 0`,
    `prober_probe_duration_seconds_bucket{${of("Readiness")},le="0.025"} 4`,
    `prober_probe_duration_seconds_count{${of("Readiness")}} 4`,
  ]);
});

test("they are for those who may read the node's metrics", () => {
  const expected = { verb: "get", subresources: ["metrics", "proxy"] };
  expect(accessOf("GET", ["metrics", "probes"])).toEqual(expected);
});
