import { systemClock } from "@raft2kube/std/clock.ts";
import { delay, waitFor } from "@raft2kube/std/wait.ts";
import { counted, type Measurements, type Phase, type Subject, work } from "./apiserver/phases.ts";
import { sides } from "./apiserver/sides.ts";
import { runPhases, withSubjects } from "./apiserver/subjects.ts";
import { median, type Row } from "./benchmark.ts";
import { collectionOf, definition, nameOf, objectOf, RULES } from "./custom-resources/objects.ts";

const DEFINITIONS = 500;
const OBJECTS = 10_000;
const CREATE_ROUNDS = 4;
const CHECKED = 3_000;
const WATCHERS = 500;
const WRITES_PER_S = 100;
/** Documents, caches and heaps are still after this. */
const SETTLE_MS = 10_000;

const PATIENCE = { clock: systemClock(), timeout_ms: 300_000, interval_ms: 20 };

const ROWS: readonly (readonly [key: string, what: string, unit: string, goal?: string])[] = [
  ["served", "a definition, from its creation until it is served, p50", "ms", "<= 200 ms"],
  ["definitions", `${DEFINITIONS} definitions, in turn`, "s", "<= 60 s"],
  ["memory", `memory that ${DEFINITIONS} definitions take`, "MiB", "<= 0.5x"],
  ["create", "create objects, 50 in flight", "/s", ">= 1.5x"],
  ["create_cpu", "the same: CPU time of server and store for each", "ms"],
  ["rules", `create objects that ${RULES.length} rules judge, 50 in flight`, "/s", ">= 1x"],
  ["rules_cpu", "the same: CPU time of server and store for each", "ms"],
  ["list", "list 10,000 objects, whole, newest", "ms", "<= 0.67x"],
  ["events", `${WATCHERS} watchers under ${WRITES_PER_S} writes/s: events delivered`, "/s"],
  ["events_cpu", "the same: CPU time of server and store for each", "us", "<= 0.67x"],
  ["delay_p99", "the same: delay from write to event, p99", "ms"],
  ["objects", "memory that 10,000 objects and their watches took", "MiB"],
  ["kept", "of it, kept after their definition is gone", "MiB"],
];

/** Rows that are the growth of the memory since before the objects came, at another moment. */
const SINCE: Readonly<Record<string, string>> = { objects: "full", kept: "after" };

/**
 * Definitions and their objects: ours on our store and kube-apiserver on etcd, in turn at each
 * step, the same load generator on both; medians of the rounds. Memory is the share (PSS) of server
 * and store together.
 */
export async function customResources(): Promise<Row[]> {
  const both = sides();
  return withSubjects(async (place) => {
    const { found } = await runPhases(place, both, PHASES);
    const value = (side: number, key: string): number => {
      const since = SINCE[key];
      if (since !== undefined) return value(side, since) - value(side, "before");
      return median(found[side]!.get(key) ?? []);
    };
    return ROWS.map(([key, what, unit, goal]) => {
      const peer = { name: both[1].name, value: value(1, key) };
      return { what, unit, ours: value(0, key), peer, ...(goal === undefined ? {} : { goal }) };
    });
  });
}

const once = (run: Phase["run"]): Phase => ({ rounds: 1, run });
const ofWidgets = { path: collectionOf("widgets"), object: objectOf("Widget") };

const PHASES: readonly Phase[] = [
  once(definitions),
  once(async (subject) => {
    await served(subject, "widgets", "Widget");
    await served(subject, "checks", "Check", RULES);
    await work(subject, "create", { ...ofWidgets, count: OBJECTS / 10 }); // warm
    return { before: await settled(subject) };
  }),
  { rounds: CREATE_ROUNDS, run: creates },
  { rounds: 3, run: checked },
  {
    rounds: 3,
    run: async (subject) => {
      return { list: (await work(subject, "list", { path: ofWidgets.path, count: 3 }))["p50_ms"]! };
    },
  },
  { rounds: 2, run: events },
  once(gone),
];

async function creates(subject: Subject, round: number): Promise<Measurements> {
  const first = OBJECTS / 10;
  const count = (OBJECTS - first) / CREATE_ROUNDS;
  const flags = { ...ofWidgets, count, first: first + round * count };
  const [said, cpu_ms] = await counted(subject, "create", flags);
  return { create: said["rate"]!, create_cpu: cpu_ms / count };
}

async function checked(subject: Subject, round: number): Promise<Measurements> {
  const flags = {
    path: collectionOf("checks"),
    object: objectOf("Check"),
    count: CHECKED,
    first: round * CHECKED,
  };
  const [said, cpu_ms] = await counted(subject, "create", flags);
  return { rules: said["rate"]!, rules_cpu: cpu_ms / CHECKED };
}

async function events(subject: Subject): Promise<Measurements> {
  const flags = { path: ofWidgets.path, clients: WATCHERS, conns: 20, count: OBJECTS };
  const load = { ...flags, rate: WRITES_PER_S, duration: "8s" };
  const [said, cpu_ms] = await counted(subject, "watch", load);
  return {
    events: said["rate"]!,
    events_cpu: (cpu_ms * 1_000) / said["delivered"]!,
    delay_p99: said["p99_ms"]!,
  };
}

/** Creates the definitions, and waits for each until its collection answers. */
async function definitions(subject: Subject): Promise<Measurements> {
  const before = await settled(subject);
  const took_ms: number[] = [];
  const begin_ms = performance.now();
  for (let i = 0; i < DEFINITIONS; i++) {
    const begun_ms = performance.now();
    await served(subject, `kinds${i}s`, `Kinds${i}`);
    took_ms.push(performance.now() - begun_ms);
  }
  const took_s = (performance.now() - begin_ms) / 1_000;
  return {
    served: median(took_ms),
    definitions: took_s,
    memory: (await settled(subject)) - before,
  };
}

/** Removes the definition of the widgets and with it its objects. */
async function gone(subject: Subject): Promise<Measurements> {
  const { running } = subject;
  const full = await settled(subject);
  const definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  const path = `${definitions}/${nameOf("widgets")}`;
  await running.ask(path, undefined, "DELETE");
  const left = async () => {
    const names = await running.ask(definitions);
    return names.includes(`"name":"${nameOf("widgets")}"`) ? undefined : true;
  };
  await waitFor("the definition to be gone", left, PATIENCE);
  return { full, after: await settled(subject) };
}

async function served(
  { running }: Subject,
  plural: string,
  kind: string,
  rules: readonly object[] = [],
): Promise<void> {
  const path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
  await running.ask(path, definition(plural, kind, rules));
  await waitFor(`${plural} to be served`, () => running.ask(collectionOf(plural)), PATIENCE);
}

async function settled({ running }: Subject): Promise<number> {
  await delay(systemClock(), SETTLE_MS);
  return running.pss_mib();
}
