import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { Credentials } from "./credentials.ts";
import { load, type Said } from "./load.ts";
import type { Running } from "./sides.ts";

export const PODS = 10_000;
const WATCHERS = 1_000;
const CREATE_ROUNDS = 4;
const PATCHES = 1_500;
const WRITES_PER_S = 200;
/** A rate that both sides keep up with, so that delays are theirs and not a queue's. */
const CALM_WRITES_PER_S = 10;
/** Watches are opened and have settled after this, and memory is given back. */
const SETTLE_MS = 20_000;

/** Results of one round of one side, by the key of a row. */
export type Measurements = Readonly<Record<string, number>>;

/** A server that is being measured. */
export interface Subject {
  readonly name: string;
  readonly running: Running;
  readonly credentials: Credentials;
}

/** Work that both sides do in turn, several times. */
export interface Phase {
  readonly rounds: number;
  run(subject: Subject, round: number): Promise<Measurements>;
}

/** Rows that grow with the number of pods are measured at this share of it, too. */
export const TENTH = 0.1;

/** The key of a row's measurement at a tenth of its size. */
export const atTenth = (key: string): string => `${key} at a tenth`;

const keyAt = (key: string, scale: number) => (scale === TENTH ? atTenth(key) : key);

const LISTS: Readonly<Record<string, object>> = {
  list: {},
  list_gzip: { gzip: true },
  list_cached: { "resource-version": "0" },
  list_pages: { limit: 500 },
};

const lists = (rounds: number, scale: number): Phase[] =>
  Object.entries(LISTS).map(([key, flags]) => ({
    rounds,
    run: async (subject) => {
      const said = await work(subject, "list", { count: 3, ...flags });
      return { [keyAt(key, scale)]: said["p50_ms"]! };
    },
  }));

/** Pods from number `from` to `to` are created, in equal rounds. */
export const creates = (rounds: number, from: number, to: number, scale: number): Phase => ({
  rounds,
  run: async (subject, round) => {
    const count = (to - from) / rounds;
    const flags = { count, first: from + round * count };
    const [said, cpu_ms] = await counted(subject, "create", flags);
    return {
      [keyAt("create", scale)]: said["rate"]!,
      [keyAt("create_cpu", scale)]: cpu_ms / count,
    };
  },
});

const memory = (scale: number): Phase => ({
  rounds: 1,
  run: async (subject) => {
    const flags = { clients: WATCHERS * scale, conns: 20, count: PODS * scale };
    const idle = work(subject, "watch", { ...flags, rate: 1, duration: "12s" });
    await delay(systemClock(), SETTLE_MS);
    const found = subject.running.pss_mib();
    await idle;
    return { [keyAt("memory", scale)]: found };
  },
});

const watches = { clients: WATCHERS, conns: 20, count: PODS };

const patches = (rounds: number): Phase => ({
  rounds,
  run: async (subject) => {
    const [said, cpu_ms] = await counted(subject, "patch", { count: PATCHES });
    return { patch: said["rate"]!, patch_cpu: cpu_ms / PATCHES };
  },
});

const events = (rounds: number, clients: number, count: number): Phase => ({
  rounds,
  run: async (subject) => {
    const flags = { clients, conns: 20, count, rate: WRITES_PER_S, duration: "8s" };
    const [said, cpu_ms] = await counted(subject, "watch", flags);
    return {
      events: said["rate"]!,
      events_cpu: (cpu_ms * 1_000) / said["delivered"]!,
      delay_p50: said["p50_ms"]!,
      delay_p99: said["p99_ms"]!,
    };
  },
});

const warmUp: Phase = {
  rounds: 1,
  run: async (subject) => {
    await work(subject, "create", { count: PODS * TENTH, first: 0 });
    return {};
  },
};

/**
 * The first thousand pods, which also warm both sides up, are what a tenth of the size is measured
 * on; what a creation costs there is found out with the thousand after them.
 */
const AT_A_TENTH: readonly Phase[] = [
  warmUp,
  ...lists(1, TENTH),
  memory(TENTH),
  creates(1, PODS * TENTH, PODS * TENTH * 2, TENTH),
];

/** Phases in order: the first make the pods that the others are about. */
export const PHASES: readonly Phase[] = [
  ...AT_A_TENTH,
  creates(CREATE_ROUNDS, PODS * TENTH * 2, PODS, 1),
  ...lists(3, 1),
  patches(3),
  memory(1),
  {
    rounds: 2,
    run: async (subject) => {
      const said = await work(subject, "watch", {
        ...watches,
        rate: CALM_WRITES_PER_S,
        duration: "8s",
      });
      return { calm_p50: said["p50_ms"]!, calm_p99: said["p99_ms"]! };
    },
  },
  events(2, WATCHERS, PODS),
  {
    rounds: 2,
    run: async (subject) => {
      const said = await work(subject, "listing", { rate: 50, duration: "10s", count: PODS });
      return { write_p99: said["write_p99_ms"]! };
    },
  },
];

/** The pods that a short round ends with, and its work, less than a minute of it. */
export const SHORT_PODS = 3_000;
export const SHORT: readonly Phase[] = [
  warmUp,
  creates(1, PODS * TENTH, SHORT_PODS, 1),
  ...lists(1, 1),
  patches(1),
  events(1, WATCHERS * TENTH, SHORT_PODS),
];

/** Returns what the load generator said of one piece of work, which is printed, too. */
export async function work(
  { name, running, credentials }: Subject,
  what: string,
  flags: Parameters<typeof load>[3],
): Promise<Said> {
  const said = await load(running, credentials, what, flags);
  process.stderr.write(`  ${name}: ${what} ${JSON.stringify(said)}\n`);
  return said;
}

/** Calls `work`, and returns also how much CPU time server and store took for it. */
export async function counted(
  subject: Subject,
  what: string,
  flags: Parameters<typeof load>[3],
): Promise<[said: Said, cpu_ms: number]> {
  const before_ms = subject.running.cpu_ms();
  const said = await work(subject, what, flags);
  return [said, subject.running.cpu_ms() - before_ms];
}
