import { createServer } from "node:http";
import type { Container, Pod, Probe } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { codeOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { expect, test } from "vitest";
import { listening } from "../../testing/listening.ts";
import type { ObservedContainer } from "../cri/observed.ts";
import type { Runtime } from "../cri/runtime.ts";
import {
  PROBE_PLACES,
  PROBE_TURN_COMMAND_MS,
  PROBE_TURN_MS,
  PROBE_TURN_TLS_MS,
} from "../limits.ts";
import { PodProbes } from "./pod-probes.ts";
import { ProbeMetrics } from "./probe-metrics.ts";
import { ProbeTurns, turnOf } from "./probe-turns.ts";

const RUNNING = { id: "a-0", name: "a", startedAt_ms: 0 } as ObservedContainer;
const probe = (command: string) => ({ exec: { command: [command] }, periodSeconds: 1 });

/** A pod after a restart of the kubelet; returns the commands that its probes have run. */
async function restarted(
  container: Partial<Container>,
  was: { ready: boolean; started: boolean },
  running = RUNNING,
) {
  const clock = new ManualClock();
  const commands: string[] = [];
  const execSync = async ({ cmd }: { cmd: string[] }) => {
    commands.push(cmd.join());
    return { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), exitCode: 1 };
  };
  const spec = { containers: [{ name: "a", ...container }] };
  const probes = new PodProbes({
    clock,
    runtime: { runtime: { execSync } } as unknown as Runtime,
    events: { record: () => undefined },
    turns: new ProbeTurns(clock),
    metrics: new ProbeMetrics(),
    pod: () => ({ metadata: { name: "p", uid: "u" }, spec }) as Pod,
    podIP: () => "10.1.0.2",
    changed: () => undefined,
    wasReady: () => was.ready,
    wasStarted: () => was.started,
  });
  probes.sync([running]);
  const known = { ...probes.health(running), ready: probes.ready(running) };
  clock.advance(1_000);
  for (let turn = 0; turn < 9; turn++) await new Promise(setImmediate);
  probes.close();
  return { known, commands: commands.toSorted() };
}

const ALL = {
  startupProbe: probe("start"),
  readinessProbe: probe("ready"),
  livenessProbe: probe("live"),
};

test("a container that had started does not wait for its startup probe again", async () => {
  const { known, commands } = await restarted(ALL, { ready: true, started: true });
  expect(known).toEqual({ started: true, failed: undefined, ready: true });
  expect(commands).toEqual(["live", "ready"]);
});

test("one that had not started waits for it", async () => {
  const { known, commands } = await restarted(ALL, { ready: false, started: false });
  expect(known).toEqual({ started: false, failed: undefined, ready: false });
  expect(commands).toEqual(["start"]);
});

test.each([
  [400, [1, 1_001, 2_001]],
  [1_400, [1, 1_401, 2_801]],
])("the period of a probe of %i ms counts from start to start", async (takes_ms, expected) => {
  const clock = new ManualClock();
  const begun_ms = clock.monotonic();
  const starts: number[] = [];
  const execSync = async () => {
    starts.push(clock.monotonic() - begun_ms);
    await delay(clock, takes_ms);
    return { stdout: Buffer.alloc(0), stderr: Buffer.alloc(0), exitCode: 0 };
  };
  const probes = new PodProbes({
    clock,
    runtime: { runtime: { execSync } } as unknown as Runtime,
    events: { record: () => undefined },
    turns: new ProbeTurns(clock),
    metrics: new ProbeMetrics(),
    pod: () =>
      ({
        metadata: { uid: "u" },
        spec: { containers: [{ name: "a", livenessProbe: probe("live") }] },
      }) as Pod,
    podIP: () => "10.1.0.2",
    changed: () => undefined,
    wasReady: () => false,
    wasStarted: () => false,
  });
  probes.sync([RUNNING]);
  for (let ms = 0; ms < 3_000; ms++) {
    clock.advance(1);
    for (let turn = 0; turn < 9; turn++) await Promise.resolve();
  }
  probes.close();
  expect(starts).toEqual(expected);
});

test("a clock that was set back since the container's start delays no probe", async () => {
  const ahead = { ...RUNNING, startedAt_ms: 600_000 };
  const { commands } = await restarted(ALL, { ready: true, started: true }, ahead);
  expect(commands).toEqual(["live", "ready"]);
});

test("a probe that ends at another host passes with a warning event", async () => {
  const server = createServer((_, response) => {
    response.writeHead(302, { location: "http://other.test/" }).end();
  });
  const port = await listening(server);
  const readinessProbe = { httpGet: { port, path: "/" }, timeoutSeconds: 5 };
  const spec = { containers: [{ name: "a", readinessProbe }] };
  const clock = new ManualClock();
  const recorded: string[][] = [];
  const passed = Promise.withResolvers<void>();
  const probes = new PodProbes({
    clock,
    runtime: undefined as unknown as Runtime,
    turns: new ProbeTurns(clock),
    metrics: new ProbeMetrics(),
    events: { record: (_pod, ...event) => recorded.push(event as string[]) },
    pod: () => ({ metadata: { name: "p", uid: "u" }, spec }) as Pod,
    podIP: () => "127.0.0.1",
    changed: () => passed.resolve(),
    wasReady: () => false,
    wasStarted: () => true,
  });
  probes.sync([RUNNING]);
  clock.advance(10_000);
  await passed.promise;
  expect(probes.ready(RUNNING)).toBe(true);
  expect(recorded).toEqual([
    [
      "Warning",
      "ProbeWarning",
      "Readiness probe warning: Probe terminated redirects, Response body: ",
      "a",
    ],
  ]);
  probes.close();
  server.close();
});

test("the commands of a node's probes start a few at a time, in rotation of the namespaces", async () => {
  const clock = new ManualClock();
  const turns = new ProbeTurns(clock);
  const commands: string[] = [];
  const runtime = {
    runtime: {
      execSync: ({ cmd }: { cmd: string[] }) => {
        commands.push(cmd.join());
        // One that waits for its answer keeps no place.
        return new Promise(() => undefined);
      },
    },
  } as unknown as Runtime;
  const podOf = (namespace: string, count: number) => {
    const names = Array.from({ length: count }, (_, at) => `c${at}`);
    const containers = names.map((name) => ({ name, livenessProbe: probe(namespace) }));
    const probes = new PodProbes({
      clock,
      runtime,
      events: { record: () => undefined },
      turns,
      metrics: new ProbeMetrics(),
      pod: () => ({ metadata: { name: "p", namespace, uid: "u" }, spec: { containers } }) as Pod,
      podIP: () => "10.1.0.2",
      changed: () => undefined,
      wasReady: () => true,
      wasStarted: () => true,
    });
    probes.sync(names.map((name) => ({ ...RUNNING, id: name, name })));
    return probes;
  };
  const pods = [podOf("many", 5 * PROBE_PLACES), podOf("one", 1)];
  const later = async (ms: number) => {
    clock.advance(ms);
    for (let turn = 0; turn < 9; turn++) await new Promise(setImmediate);
  };
  await later(1);
  expect(commands).toEqual(Array(PROBE_PLACES).fill("many"));
  await later(PROBE_TURN_COMMAND_MS);
  expect(commands).toHaveLength(2 * PROBE_PLACES);
  expect(commands).toContain("one");
  for (const each of pods) each.close();
});

test.each<[Probe, number]>([
  [{ exec: { command: ["true"] } }, PROBE_TURN_COMMAND_MS],
  [{ httpGet: { port: 1, scheme: "HTTPS" } }, PROBE_TURN_TLS_MS],
  [{ grpc: { port: 1, service: "" } }, PROBE_TURN_TLS_MS],
  [{ httpGet: { port: 1 } }, PROBE_TURN_MS],
  [{ tcpSocket: { port: 1 } }, PROBE_TURN_MS],
])("the start of a probe %j keeps its place for %i ms", (handler, turn_ms) => {
  expect(turnOf(handler)).toBe(turn_ms);
});

test("a probe that waited longer than its period is reported, until one need not wait", async () => {
  const clock = new ManualClock();
  const reports: (string | undefined)[] = [];
  const turns = new ProbeTurns(clock, (thrown) => reports.push(codeOf(thrown)));
  const later = async (ms: number) => {
    clock.advance(ms);
    for (let turn = 0; turn < 9; turn++) await new Promise(setImmediate);
  };
  for (let at = 0; at < 3 * PROBE_PLACES; at++) {
    void turns.next("a", PROBE_TURN_COMMAND_MS, PROBE_TURN_COMMAND_MS);
  }
  expect(reports.splice(0)).toEqual(Array(PROBE_PLACES).fill(undefined));
  await later(PROBE_TURN_COMMAND_MS);
  expect(reports).toEqual([]);
  await later(PROBE_TURN_COMMAND_MS);
  expect(reports.splice(0)).toEqual(Array(PROBE_PLACES).fill("PROBES_LATE"));
  await later(PROBE_TURN_COMMAND_MS);
  await turns.next("a", PROBE_TURN_MS, PROBE_TURN_COMMAND_MS);
  expect(reports).toEqual([undefined]);
});
