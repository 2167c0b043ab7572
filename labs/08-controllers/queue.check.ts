import { pauseAfter } from "@raft2kube/reconcile/backoff.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { check } from "../check.ts";
import { clauses, steps, text } from "../clauses.ts";
import { judge } from "../judge.ts";
import { mustEqual } from "../must.ts";

const PAUSES = { first_ms: 100, most_ms: 1_000 };

check("back-off: pauses double from the first to the bound", () => {
  for (const [failures, expected] of [
    [1, 100],
    [2, 200],
    [4, 800],
    [5, 1_000],
    [1e9, 1_000],
  ]) {
    mustEqual(pauseAfter(failures!, PAUSES), expected, {
      when: `failure ${failures} in a row, first ${PAUSES.first_ms} ms, most ${PAUSES.most_ms} ms`,
      why: "a server that recovers must not be asked by every client at once, nor forgotten",
    });
  }
});

const { queues } = clauses(import.meta, { queues: { title: text, why: text, script: steps } });

/** Plays a script; a `take` that finds nothing waits. */
class Play {
  readonly #clock = new ManualClock();
  readonly #queue = new WorkQueue({ clock: this.#clock });
  #given: string[] = [];

  async step(operation: string): Promise<string[]> {
    this.#given = [];
    const [what, key = "", ms = ""] = operation.split(" ");
    const queue = this.#queue;
    switch (what) {
      case "add":
        queue.add(key);
        break;
      case "take":
        this.#take(queue.take());
        break;
      case "done":
        queue.done(key);
        break;
      case "after":
        queue.addAfter(key, Number(ms));
        break;
      case "fail":
        queue.addRateLimited(key);
        break;
      case "forget":
        queue.forget(key);
        break;
      case "wait":
        this.#clock.advance(Number(key));
        break;
      default:
        queue.close();
    }
    await new Promise(setImmediate);
    return this.#given;
  }

  #take(taken: Promise<string | undefined>): void {
    void taken.then((key) => this.#given.push(key ?? "the end"));
  }
}

for (const { title, why, script } of queues) {
  check(`queue: ${title}`, async () => {
    const play = new Play();
    const played: string[] = [];
    for (const { event: operation, notes: expected } of script) {
      played.push(operation);
      const given = await play.step(operation);
      judge(given.join() === expected.join(), {
        when: played.join(", then "),
        happened: `workers are given ${given.join(", ") || "nothing"}`,
        expected: `workers are given ${expected.join(", ") || "nothing"}`,
        why,
      });
    }
  });
}

check("queue: it holds so many keys, and refuses more", async () => {
  const queue = new WorkQueue({ clock: new ManualClock(), keys_max: 1 });
  queue.add("a");
  queue.add("a");
  let refused = "nothing";
  try {
    queue.add("b");
  } catch (thrown) {
    refused = thrown instanceof Error ? thrown.message : String(thrown);
  }
  mustEqual(refused, "a work queue holds 1 keys already", {
    when: "a queue of one key gets a second",
    why: "without a bound the program runs out of memory",
  });
});
