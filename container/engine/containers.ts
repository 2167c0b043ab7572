import { isDeepStrictEqual } from "node:util";
import { RuntimeError } from "@raft2kube/runtime/errors.ts";
import type { OpenRuntime } from "@raft2kube/runtime/open.ts";
import { type Hand, type HandContainer, handOf, withHand } from "./hand.ts";

/** A setting that is false is one that is absent. */
function withoutFalse(hand: Hand): object {
  return Object.fromEntries(Object.entries(hand).filter(([, value]) => value !== false));
}

/** The containers made by hand, by their names and the beginnings of their ids. */
export class Containers {
  readonly #runtime: OpenRuntime;

  constructor(runtime: OpenRuntime) {
    this.#runtime = runtime;
  }

  /** All of them, the newest first. */
  all(): HandContainer[] {
    const records = this.#runtime.containers.values();
    return records.map(handOf).sort((a, b) => b.record.createdAt_ms - a.record.createdAt_ms);
  }

  find(nameOrId: string): HandContainer | undefined {
    const all = this.all();
    const name = nameOrId.replace(/^\//, "");
    const exact = all.find(({ record, hand }) => record.id === nameOrId || hand.name === name);
    if (exact) return exact;
    const found = this.#runtime.containers.find(this.#runtime.containers.wholeId(nameOrId));
    return found && handOf(found);
  }

  /** Throws not-found. */
  get(nameOrId: string): HandContainer {
    const found = this.find(nameOrId);
    if (found) return found;
    throw new RuntimeError("not-found", `no such container: ${nameOrId}`, {
      remedy: "r2k container ps -a lists those made by hand; kubectl has those of pods",
    });
  }

  /** A container that runs; failed-precondition for another. */
  running(nameOrId: string): HandContainer {
    const found = this.get(nameOrId);
    if (found.record.phase.state === "running") return found;
    throw new RuntimeError("failed-precondition", `container ${nameOrId} is not running`);
  }

  /** Changes a container's settings; those that are so already are not written again. */
  async change({ record }: HandContainer, change: Partial<Hand>): Promise<HandContainer> {
    const now = handOf(this.#runtime.containers.get(record.id));
    const hand = { ...now.hand, ...change };
    if (isDeepStrictEqual(withoutFalse(now.hand), withoutFalse(hand))) return now;
    const changed = withHand(now.record, hand);
    await this.#runtime.containers.put(changed);
    return { record: changed, hand };
  }

  /** Records that a policy is not to start a container again; writes nothing where it has none. */
  async hold(container: HandContainer): Promise<HandContainer> {
    if (container.hand.restart.name === "no") return this.again(container);
    return this.change(container, { isStopped: true });
  }

  /** Reads a container's record again. */
  again({ record }: HandContainer): HandContainer {
    return handOf(this.#runtime.containers.get(record.id));
  }

  /** Throws already-exists for a name that another container has. */
  requireFree(name: string): void {
    const other = this.all().find(({ hand }) => hand.name === name);
    if (!other) return;
    const id = other.record.id.slice(0, 12);
    throw new RuntimeError("already-exists", `the name ${name} is taken by container ${id}`, {
      remedy: `r2k container rm ${name}, or take another --name`,
    });
  }
}
