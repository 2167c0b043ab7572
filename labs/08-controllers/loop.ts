import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { Expectations } from "@raft2kube/controllers/expectations.ts";
import { planReplicas } from "@raft2kube/controllers/replicaset/plan.ts";
import { NOW_MS, podOf, setOf } from "@raft2kube/controllers/testing/objects.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { judge } from "../judge.ts";

/** More turns than any event of these checks leads to. */
const TURNS_MAX = 20;
/** The owner whose writes are expected; its size is `Loop.wanted`. */
export const SET = setOf("web", 0);
const KEY = keyOf(SET);
/** Each pod has half of the age of the one before it: the younger ones go first. */
const OLDEST_S = 1_000_000;

/** Follows a loop: what it does, and between which of its parts. */
export interface LoopObserver {
  message(from: Part, to: Part, text: string): void;
  /** The loop has changed. */
  changed(loop: Loop): void;
}

export type Part = "api" | "copy" | "queue" | "worker";
type PodEvent = { type: "ADDED" | "DELETED"; object: Pod };

/**
 * A ReplicaSet's controller from the reader's parts: an apiserver's pods, a watch that delivers
 * when a scenario says so, the copy, the queue, one worker, and expectations.
 */
export class Loop {
  readonly clock = new ManualClock(NOW_MS);
  readonly copy = new InformerCopy<Pod>();
  readonly queue = new WorkQueue({ clock: this.clock });
  readonly expectations = new Expectations(this.clock);
  /** The pods that exist, and the events that the watch has not delivered. */
  readonly pods = new Map<string, Pod>();
  readonly late: PodEvent[] = [];
  wanted = 0;
  readonly #observer: LoopObserver | undefined;
  #refuses = false;
  #made = 0;
  #notes: string[] = [];

  constructor(observer?: LoopObserver) {
    this.#observer = observer;
    const look = () => {
      this.#observer?.message("copy", "queue", `add ${KEY}`);
      this.queue.add(KEY);
    };
    this.copy.handle({
      added: () => {
        this.expectations.creationObserved(SET);
        look();
      },
      updated: look,
      deleted: (pod) => {
        this.expectations.deletionObserved(SET, keyOf(pod));
        look();
      },
    });
    this.copy.replace([]);
  }

  /**
   * Plays an event, and turns of the worker until the queue is empty; returns its requests.
   * `scale 3`; `deliver`: all late events, `deliver 1`: the oldest; `lose web-1`: its node is gone;
   * `refuse`, `accept`: what the apiserver does with writes; `wait 5`: milliseconds pass;
   * `look`: another object's change adds the key; `relist`: the watch broke off, a list follows.
   */
  async play(event: string): Promise<string[]> {
    this.#notes = [];
    const [what, value = ""] = event.split(" ");
    switch (what) {
      case "scale":
        this.wanted = Number(value);
        this.queue.add(KEY);
        break;
      case "deliver":
        for (const one of this.late.splice(0, value ? Number(value) : Infinity)) this.#deliver(one);
        break;
      case "lose":
        this.#remove(value);
        break;
      case "refuse":
      case "accept":
        this.#refuses = what === "refuse";
        break;
      case "wait":
        this.clock.advance(Number(value));
        break;
      case "relist":
        this.late.length = 0;
        this.#observer?.message("api", "copy", `list: ${[...this.pods.keys()].join(", ")}`);
        this.copy.replace([...this.pods.values()]);
        break;
      default:
        this.queue.add(KEY);
    }
    this.#observer?.changed(this);
    await this.#settle();
    return this.#notes;
  }

  async #settle(): Promise<void> {
    for (let turn = 0; turn < TURNS_MAX; turn++) {
      if (this.queue.size === 0) return;
      const key = await this.queue.take();
      this.#observer?.message("queue", "worker", `take ${key ?? "nothing"}`);
      if (this.#reconcile()) this.queue.forget(KEY);
      else this.queue.addRateLimited(KEY);
      this.queue.done(KEY);
      this.#observer?.changed(this);
    }
    judge(false, {
      when: `the worker has had ${TURNS_MAX} turns: ${this.#notes.join(", ")}`,
      happened: "the queue is not empty",
      expected: "a key that was looked at waits for the next change, or for its pause",
      why: "a controller that never rests takes a processor, and writes without end",
      body: "done",
    });
  }

  /** One turn, as `controllers/replicaset/replicaset.ts` takes it; whether it succeeded. */
  #reconcile(): boolean {
    if (!this.expectations.satisfied(SET)) return true;
    const own = this.copy.store.list();
    const plan = planReplicas(setOf("web", this.wanted), own, own, this.clock.now());
    if (plan.create > 0) this.expectations.expect(SET, plan.create, []);
    else if (plan.delete.length > 0) this.expectations.expect(SET, 0, plan.delete.map(keyOf));
    const names = Array.from({ length: plan.create }, () => `web-${++this.#made}`);
    const requests = [
      ...names.map((name) => ["create", name] as const),
      ...plan.delete.map(({ metadata }) => ["delete", metadata.name!] as const),
    ];
    for (const [verb, name] of requests) {
      this.#note(`${verb} ${name}${this.#refuses ? ": refused" : ""}`);
      if (!this.#refuses && verb === "create") this.#create(name);
      else if (!this.#refuses) this.#remove(name);
      else if (verb === "create") this.expectations.creationObserved(SET);
      else this.expectations.deletionObserved(SET, `shop/${name}`);
    }
    return !this.#refuses || requests.length === 0;
  }

  #note(text: string): void {
    this.#notes.push(text);
    this.#observer?.message("worker", "api", text);
  }

  #create(name: string): void {
    const object = podOf(name, { age_s: OLDEST_S / 2 ** Number(name.split("-")[1]) });
    this.pods.set(name, object);
    this.late.push({ type: "ADDED", object });
  }

  #remove(name: string): void {
    const object = this.pods.get(name);
    if (!object) return;
    this.pods.delete(name);
    this.late.push({ type: "DELETED", object });
  }

  #deliver(event: PodEvent): void {
    this.#observer?.message("api", "copy", `${event.type} ${event.object.metadata.name}`);
    this.copy.apply(event);
  }
}
