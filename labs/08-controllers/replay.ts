import { mustEqual } from "../must.ts";
import { recordable, type StepClock } from "../replay/case.ts";
import { plainState, type Recorder } from "../replay/recorder.ts";
import type { Cell, Family } from "../replay/recording.ts";
import { Loop, type Part, SET } from "./loop.ts";
import { playRollout } from "./rollout.ts";
import { SCENARIOS } from "./scenarios.ts";

const NAMES: Readonly<Record<Part, string>> = {
  api: "apiserver",
  copy: "informer's copy",
  queue: "work queue",
  worker: "worker",
};
const PARTS = Object.keys(NAMES) as Part[];

const cellsOf = (names: Iterable<string>): Cell[] =>
  [...names].map((text) => {
    const index = Number(text.split("-")[1]);
    return { index, group: index, text };
  });

/** Records each message between the loop's parts, and what each of them has. */
async function playLoop(recorder: Recorder, clock: StepClock, variant: number): Promise<void> {
  const { transcript, why } = SCENARIOS[variant - 1]!;
  for (const part of PARTS) recorder.track(part, NAMES[part], plainState(part));
  const loop = new Loop({
    message(from, to, text) {
      const key = {};
      const family: Family = from === "worker" ? "write" : "event";
      recorder.sent(key, { from, to, family, label: text, detail: text });
      clock.next();
      recorder.arrived(key, text.endsWith("refused"));
    },
    changed({ pods, late, copy, queue, expectations, wanted }) {
      const known = copy.store.list().map(({ metadata }) => metadata.name!);
      const facts = { "not delivered": late.length };
      const trusted = expectations.satisfied(SET) ? "trusted" : "events awaited";
      recorder.state("api", plainState("api", { facts, cells: cellsOf(pods.keys()) }));
      recorder.state("copy", plainState("copy", { cells: cellsOf(known) }));
      recorder.state("queue", plainState("queue", { facts: { keys: queue.size } }));
      recorder.state("worker", plainState("worker", { facts: { wanted, copy: trusted } }));
    },
  });
  for (const [event, ...expected] of transcript) {
    clock.next();
    recorder.note("api", "request", event);
    const happened = await loop.play(event);
    mustEqual(happened.join(", "), expected.join(", "), { when: event, why });
  }
}

recordable({
  title: "the loop's turns: watch, copy, queue, worker, writes",
  about:
    "A change reaches the copy, which adds a key; a worker takes it, compares and writes. While " +
    "the worker awaits events of its own writes, a turn does nothing.",
  unit: "step",
  variantName: "scenario",
  variants: SCENARIOS.map((_, i) => i + 1),
  play: playLoop,
});

const VERSIONS = ["old", "new"] as const;

function playVersions(recorder: Recorder, clock: StepClock, variant: number): void {
  const replicas = 8;
  for (const version of VERSIONS) {
    recorder.track(version, `${version} version`, plainState(version));
  }
  playRollout({ replicas, broken: variant === 2 }, (look) => {
    clock.next();
    const there = look.old.available + look.new.available;
    recorder.note("old", "remark", `${there} of ${replicas} available`);
    for (const version of VERSIONS) {
      const { size, available } = look[version];
      const cells = Array.from({ length: size }, (_, i) => {
        return { index: i + 1, group: i < available ? 2 : 1, text: i < available ? "✓" : "…" };
      });
      recorder.state(version, plainState(version, { facts: { size, available }, cells }));
    }
  });
}

recordable({
  title: "a rolling update, look by look",
  about:
    "Eight pods, a quarter above and below. Each look changes the new set or the old ones; the " +
    "second variant's new version never starts, and the old one keeps six.",
  unit: "step",
  variantName: "variant",
  variants: [1, 2],
  play: playVersions,
});
