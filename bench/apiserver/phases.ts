import { systemClock } from "@raft2kube/std/clock.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { Credentials } from "./credentials.ts";
import { load, type Said } from "./load.ts";
import type { Running } from "./sides.ts";

const PODS = 10_000;
const CREATE_ROUNDS = 5;
const PATCHES = 1_500;
const WATCHERS = 1_000;
const WRITES_PER_S = 200;
/** What both sides keep up with, so that delays are theirs and not a queue's. */
const CALM_WRITES_PER_S = 10;
/** Watches are opened and have settled after this. */
const SETTLE_MS = 8_000;

/** What one round of one side gave, by the key of a row. */
export type Figures = Readonly<Record<string, number>>;

/** A server that is being measured. */
export interface Subject {
  readonly name: string;
  readonly running: Running;
  readonly credentials: Credentials;
}

/** Work that both sides do in turn, several times. */
export interface Phase {
  readonly rounds: number;
  run(subject: Subject, round: number): Promise<Figures>;
}

const lists = (key: string, flags: object = {}): Phase => ({
  rounds: 3,
  run: async (subject) => {
    const said = await work(subject, "list", { count: 3, ...flags });
    return { [key]: said["p50_ms"]! };
  },
});

const watches = { clients: WATCHERS, conns: 20, count: PODS };

/** In this order: the first makes the pods that the others are about. */
export const PHASES: readonly Phase[] = [
  {
    rounds: CREATE_ROUNDS,
    run: async (subject, round) => {
      const count = PODS / CREATE_ROUNDS;
      const [said, cpu_ms] = await counted(subject, "create", { count, first: round * count });
      return { create: said["rate"]!, create_cpu: cpu_ms / count };
    },
  },
  lists("list"),
  lists("list_gzip", { gzip: true }),
  lists("list_cached", { "resource-version": "0" }),
  lists("list_pages", { limit: 500 }),
  {
    rounds: 3,
    run: async (subject) => {
      const [said, cpu_ms] = await counted(subject, "patch", { count: PATCHES });
      return { patch: said["rate"]!, patch_cpu: cpu_ms / PATCHES };
    },
  },
  {
    rounds: 1,
    run: async (subject) => {
      const idle = work(subject, "watch", { ...watches, rate: 1, duration: "12s" });
      await delay(systemClock(), SETTLE_MS);
      const memory = subject.running.pss_mib();
      await idle;
      return { memory };
    },
  },
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
  {
    rounds: 2,
    run: async (subject) => {
      const flags = { ...watches, rate: WRITES_PER_S, duration: "8s" };
      const [said, cpu_ms] = await counted(subject, "watch", flags);
      return {
        events: said["rate"]!,
        events_cpu: (cpu_ms * 1_000) / said["delivered"]!,
        delay_p50: said["p50_ms"]!,
        delay_p99: said["p99_ms"]!,
      };
    },
  },
  {
    rounds: 2,
    run: async (subject) => {
      const said = await work(subject, "listing", { rate: 50, duration: "10s", count: PODS });
      return { write_p99: said["write_p99_ms"]! };
    },
  },
];

async function work(
  { name, running, credentials }: Subject,
  what: string,
  flags: Parameters<typeof load>[3],
): Promise<Said> {
  const said = await load(running, credentials, what, flags);
  process.stderr.write(`  ${name}: ${what} ${JSON.stringify(said)}\n`);
  return said;
}

/** The same, and how much CPU time server and store took for it. */
async function counted(
  subject: Subject,
  what: string,
  flags: Parameters<typeof load>[3],
): Promise<[said: Said, cpu_ms: number]> {
  const before_ms = subject.running.cpu_ms();
  const said = await work(subject, what, flags);
  return [said, subject.running.cpu_ms() - before_ms];
}
