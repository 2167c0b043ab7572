import type { Selection } from "@raft2kube/apiserver/cache/selection.ts";
import { EVERYTHING } from "@raft2kube/apiserver/cache/selection.ts";
import { pick, type Random, randomInteger, seededRandom } from "@raft2kube/std/random.ts";
import { type Listener, listen } from "../../testing/apiserver/watch-words.ts";
import { orBroken } from "../apiserver/broken.ts";
import { expectLines } from "../apiserver/expect-lines.ts";
import {
  ALL,
  emptyCache,
  ofApp,
  onNode,
  podEntry,
  put,
  remove,
  type Seen,
} from "../apiserver/objects.ts";
import { check, checkOptions, stillAtWork } from "../check.ts";

const RUNS = 10;
const CHANGES = 120;
const WATCHERS = 12;
const NAMES = ["a", "b", "c", "d", "e"];
const APPS = ["web", "db"];
const NODES = ["n1", "n2"];

/** A change as the log has it; `seen` is absent for a deletion. */
type Logged = { readonly revision: number; readonly name: string; readonly seen: Seen | undefined };

/** The events that a watch from `start` must get: the log, filtered. */
function filtered(log: readonly Logged[], selection: Selection, start: number): string[] {
  const picked = new Map<string, boolean>();
  const lines: string[] = [];
  for (const { revision, name, seen } of log) {
    const before = picked.get(name) ?? false;
    const after = seen !== undefined && selection.matches(podEntry(name, revision, seen));
    picked.set(name, after);
    if (revision <= start || (!before && !after)) continue;
    const type = !before ? "ADDED" : after ? "MODIFIED" : "DELETED";
    lines.push(`${type} ${name} ${revision}`);
  }
  return lines;
}

interface Watching {
  readonly selection: Selection;
  readonly start: number;
  readonly listener: Listener;
}

check("fan-out: every watcher gets the filtered log", async () => {
  const { runs = RUNS, seed: first = 1 } = checkOptions();
  for (let seed = first; seed < first + runs; seed++) {
    stillAtWork();
    await orBroken(() => play(seed));
  }
});

async function play(seed: number): Promise<void> {
  const random = seededRandom(seed);
  const cache = emptyCache();
  const log: Logged[] = [];
  const watching: Watching[] = [];
  for (let revision = 2; revision < 2 + CHANGES; revision++) {
    const change = randomChange(random, log, revision);
    log.push(change);
    if (change.seen) put(cache, change.name, revision, change.seen);
    else remove(cache, change.name, revision);
    if (watching.length < WATCHERS && random.next() < 0.2) {
      const selection = randomSelection(random);
      const start = randomInteger(random, 1, revision + 1);
      const listener = listen(cache.watchFrom({ ...ALL, selection }, start));
      watching.push({ selection, start, listener });
    }
    // A turn of the event loop now and then, so that some events are sent together and some alone.
    if (random.next() < 0.2) await new Promise((resolve) => void setImmediate(resolve));
  }
  for (const { selection, start, listener } of watching) {
    await expectLines(listener.lines, {
      when: `${CHANGES} changes, seed ${seed}; a watch of ${selection.id || "all"} from ${start}`,
      expected: filtered(log, selection, start),
      why: "a watch is the filtered log: every event once, in order",
    });
  }
}

function randomChange(random: Random, log: readonly Logged[], revision: number): Logged {
  const name = pick(random, NAMES);
  const there = log.findLast((each) => each.name === name)?.seen !== undefined;
  if (there && random.next() < 0.3) return { revision, name, seen: undefined };
  const app = random.next() < 0.7 ? { app: pick(random, APPS) } : {};
  const node = random.next() < 0.7 ? { node: pick(random, NODES) } : {};
  return { revision, name, seen: { ...app, ...node } };
}

function randomSelection(random: Random): Selection {
  const chance = random.next();
  if (chance < 0.3) return EVERYTHING;
  return chance < 0.65 ? ofApp(pick(random, APPS)) : onNode(pick(random, NODES));
}
