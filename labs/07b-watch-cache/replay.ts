import type { WatchCache } from "@raft2kube/apiserver/cache/watch-cache.ts";
import type { Watcher } from "@raft2kube/apiserver/cache/watcher.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { clock } from "../apiserver/config-map-servers.ts";
import { ALL, emptyCache, ofApp, onNode, put, remove, type Seen } from "../apiserver/objects.ts";
import { judge } from "../judge.ts";
import { recordable, type StepClock } from "../replay/case.ts";
import { plainState, type Recorder } from "../replay/recorder.ts";
import type { Cell } from "../replay/recording.ts";

const FIRST = 1;
const NAMES = ["web", "db", "cron"];
const SIGNS: Readonly<Record<string, string>> = { ADDED: "+", MODIFIED: "~", DELETED: "−" };
/** Time for an event to reach its watchers; one that is later is missing. */
const SETTLE_MS_MAX = 500;
const POLL_MS = 2;

interface Watch {
  readonly name: string;
  readonly expected: readonly string[];
  lines: string[];
  ended: boolean;
}

/** A watch cache with watches, of which each change is recorded. */
class FanOutRun {
  readonly #recorder: Recorder;
  readonly #clock: StepClock;
  readonly #cache: WatchCache = emptyCache(FIRST);
  readonly #watches: Watch[] = [];
  #cells: Cell[] = [];
  #revision = FIRST;

  constructor(recorder: Recorder, clock: StepClock) {
    this.#recorder = recorder;
    this.#clock = clock;
    recorder.track("store", "store", plainState("store"));
    recorder.track("cache", "watch cache of pods", this.#state());
  }

  #state() {
    const facts = { revision: this.#revision, watchers: this.#watches.length };
    return plainState("cache", { facts, cells: this.#cells });
  }

  /** The store reports that a pod was written, or deleted. */
  async change(name: string, seen: Seen | undefined): Promise<void> {
    const revision = ++this.#revision;
    const labels = seen ? ` ${Object.entries(seen).map(([key, value]) => `${key}=${value}`)}` : "";
    const text = `${seen ? "put" : "delete"} ${name}${labels}`.trimEnd();
    this.#clock.next();
    const key = {};
    const message = { from: "store", to: "cache", family: "write" as const, label: text };
    this.#recorder.sent(key, { ...message, detail: `${text}, revision ${revision}` });
    this.#clock.next();
    this.#recorder.arrived(key, false);
    const short = text.split(" ", 2).join(" ");
    const cell = { index: revision, group: NAMES.indexOf(name) + 1, text: short };
    this.#cells = [...this.#cells, cell];
    if (seen) put(this.#cache, name, revision, seen);
    else remove(this.#cache, name, revision);
    await this.#settle();
  }

  /** Opens a watch; `expected` is what it must be sent in all. */
  async watch(name: string, watcher: () => Watcher, expected: readonly string[]): Promise<void> {
    this.#clock.next();
    const watch: Watch = { name, expected, lines: [], ended: false };
    this.#watches.push(watch);
    this.#recorder.track(name, name, plainState("none"));
    this.#recorder.state(name, this.#stateOf(watch));
    this.#recorder.note(name, "request", `begins after revision ${this.#revision}`);
    watcher().attach({
      write: (bytes) => {
        const lines = bytes.toString("utf8").trimEnd().split("\n");
        for (const line of lines) this.#received(watch, line);
        return true;
      },
      end: () => (watch.ended = true),
    });
    await this.#settle();
  }

  get cache(): WatchCache {
    return this.#cache;
  }

  #received(watch: Watch, line: string): void {
    const key = {};
    const message = { from: "cache", to: watch.name, family: "event" as const };
    this.#recorder.sent(key, { ...message, label: line, detail: line });
    this.#clock.next();
    this.#recorder.arrived(key, false);
    watch.lines.push(line);
    this.#recorder.state(watch.name, this.#stateOf(watch));
  }

  #stateOf({ lines, ended }: Watch) {
    const cells = lines.map((line) => {
      const [type = "", name = "", revision = "0"] = line.split(" ");
      const index = type === "BOOKMARK" ? Number(name) : Number(revision);
      const text = type === "BOOKMARK" ? "bookmark" : `${SIGNS[type] ?? type} ${name}`;
      return { index, group: NAMES.indexOf(name) + 1, text };
    });
    return plainState("watch", { facts: ended ? { state: "ended" } : {}, cells });
  }

  async #settle(): Promise<void> {
    const begun_ms = clock.monotonic();
    do await delay(clock, POLL_MS);
    while (!this.#isSettled && clock.monotonic() - begun_ms < SETTLE_MS_MAX);
    this.#clock.next();
    this.#recorder.state("cache", this.#state());
  }

  /** Whether each watch has as many events as it must have by now. */
  get #isSettled(): boolean {
    return this.#watches.every(({ expected, lines }) => {
      const due = expected.filter((line) => Number(/ (\d+)/.exec(line)![1]) <= this.#revision);
      return lines.length >= due.length;
    });
  }

  judge(): void {
    for (const { name, expected, lines } of this.#watches) {
      judge(lines.join("; ") === expected.join("; "), {
        when: `${name} has been sent everything up to revision ${this.#revision}`,
        expected: expected.join("; "),
        happened: lines.join("; "),
        why: "a controller acts on its copy: one event too few is a pod that no one starts",
      });
    }
  }
}

async function play(recorder: Recorder, clock: StepClock): Promise<void> {
  const run = new FanOutRun(recorder, clock);
  const { cache } = run;
  await run.watch("kubectl get pods -w", () => cache.watchFrom(ALL, FIRST), [
    "ADDED web 2",
    "ADDED db 3",
    "MODIFIED web 4",
    "MODIFIED web 5",
    "DELETED db 6",
    "ADDED cron 7",
  ]);
  await run.watch(
    "Service: app=shop",
    () => cache.watchFrom({ ...ALL, selection: ofApp("shop") }, FIRST),
    ["ADDED web 2", "MODIFIED web 4", "DELETED web 5"],
  );
  await run.watch(
    "kubelet of n1",
    () => cache.watchFrom({ ...ALL, selection: onNode("n1") }, FIRST),
    ["ADDED web 4", "MODIFIED web 5", "ADDED cron 7"],
  );
  await run.change("web", { app: "shop" });
  await run.change("db", {});
  await run.change("web", { app: "shop", node: "n1" });
  await run.change("web", { app: "blog", node: "n1" });
  await run.watch("informer: list, then watch", () => cache.watchAll(ALL, true), [
    "ADDED db 3",
    "ADDED web 5",
    "BOOKMARK 5 end",
    "DELETED db 6",
    "ADDED cron 7",
  ]);
  await run.watch("watch from revision 3", () => cache.watchFrom(ALL, 3), [
    "MODIFIED web 4",
    "MODIFIED web 5",
    "DELETED db 6",
    "ADDED cron 7",
  ]);
  await run.change("db", undefined);
  await run.change("cron", { node: "n1" });
  run.judge();
}

recordable({
  title: "one watch of the store, many watchers",
  about:
    "The cache is fed once and serves every watch: each gets the events after its revision that " +
    "match its selector. A pod that stops matching is DELETED for that watch, and only for it.",
  unit: "step",
  variantName: "order",
  variants: [1],
  play,
});
