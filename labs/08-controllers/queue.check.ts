import { pauseAfter } from "@raft2kube/reconcile/backoff.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { check } from "../check.ts";
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

/** Operations of a queue, each with the keys that workers are given by it. */
type Script = readonly (readonly [operation: string, ...given: string[]])[];

const QUEUES: readonly (readonly [title: string, why: string, script: Script])[] = [
  [
    "a key waits once, however often it is added",
    "a burst of changes is one look at the object",
    [["add a"], ["add b"], ["add a"], ["take", "a"], ["take", "b"], ["take"]],
  ],
  [
    "a key that is worked on comes again after done, and not before",
    "two workers with one object would both create its pods",
    [
      ["add a"],
      ["take", "a"],
      ["add a"],
      ["add a"],
      ["take"],
      ["done a", "a"],
      ["done a"],
      ["take"],
    ],
  ],
  [
    "a worker that waits is given the next key",
    "a worker that polls is late, and never rests",
    [["take"], ["take"], ["add a", "a"], ["add a"], ["add b", "b"], ["take"], ["done a", "a"]],
  ],
  [
    "of two delays the earlier one counts",
    "the later one would hide what is due before it",
    [
      ["after a 1000"],
      ["after a 100"],
      ["after a 5000"],
      ["take"],
      ["wait 99"],
      ["wait 1", "a"],
      ["done a"],
      ["take"],
      ["wait 5000"],
    ],
  ],
  [
    "a delay of 0 is none",
    "a worker that asks for the next look now must not wait for a timer",
    [["take"], ["after a 0", "a"]],
  ],
  [
    "a key that is taken loses its delay",
    "the worker says anew when it is to come again",
    [["after a 1000"], ["add a"], ["take", "a"], ["done a"], ["take"], ["wait 1000"]],
  ],
  [
    "a key that fails waits twice as long each time, until it is forgotten",
    "one broken object must not keep the workers busy",
    [
      ["fail a"],
      ["take"],
      ["wait 4"],
      ["wait 1", "a"],
      ["fail a"],
      ["done a"],
      ["take"],
      ["wait 9"],
      ["wait 1", "a"],
      ["fail b"],
      ["fail a"],
      ["done a"],
      ["take"],
      ["wait 5", "b"],
      ["take"],
      ["wait 14"],
      ["wait 1", "a"],
      ["forget a"],
      ["fail a"],
      ["done a"],
      ["take"],
      ["wait 5", "a"],
    ],
  ],
  [
    "nothing comes out of a closed queue",
    "a controller that lost its lease must not act",
    [
      ["add a"],
      ["take", "a"],
      ["add a"],
      ["take"],
      ["close", "the end"],
      ["done a"],
      ["take", "the end"],
      ["add b"],
      ["after b 1"],
      ["wait 1"],
      ["take", "the end"],
    ],
  ],
];

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

for (const [title, why, script] of QUEUES) {
  check(`queue: ${title}`, async () => {
    const play = new Play();
    const played: string[] = [];
    for (const [operation, ...expected] of script) {
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
