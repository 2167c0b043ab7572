import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { priorityOf } from "./framework/plugin.ts";

/** The active pods of one priority. */
interface Round {
  /** The latest turn that was popped. */
  turn: number;
  /** Namespaces that have had this turn. */
  readonly served: Set<string>;
  /** How many active pods each namespace has, and the turn of its last one. */
  readonly active: Map<string, { count: number; last: number }>;
}

/**
 * Numbers active pods so that, of equal priority, namespaces take turns: the lowest number is
 * popped first. A namespace without active pods is not remembered beyond the turn that it has had.
 */
export class NamespaceTurns {
  readonly #rounds = new Map<number, Round>();

  /** Returns the turn of a pod that becomes active. */
  enter(pod: Pod): number {
    const round = this.#roundOf(pod);
    const namespace = namespaceOf(pod);
    const { count, last } = round.active.get(namespace) ?? { count: 0, last: 0 };
    const turn = Math.max(round.turn + (round.served.has(namespace) ? 1 : 0), last + 1);
    round.active.set(namespace, { count: count + 1, last: turn });
    return turn;
  }

  /** Notes that an active pod was popped at its turn. */
  pop(pod: Pod, turn: number): void {
    const round = this.#roundOf(pod);
    if (turn > round.turn) {
      round.turn = turn;
      round.served.clear();
    }
    round.served.add(namespaceOf(pod));
    this.leave(pod);
  }

  /** Forgets an active pod. */
  leave(pod: Pod): void {
    const { active } = this.#roundOf(pod);
    const known = active.get(namespaceOf(pod));
    if (known && known.count > 1) known.count -= 1;
    else active.delete(namespaceOf(pod));
    if (active.size === 0) this.#rounds.delete(priorityOf(pod));
  }

  #roundOf(pod: Pod): Round {
    const priority = priorityOf(pod);
    let round = this.#rounds.get(priority);
    if (round === undefined) {
      round = { turn: 0, served: new Set(), active: new Map() };
      this.#rounds.set(priority, round);
    }
    return round;
  }
}

const namespaceOf = ({ metadata }: Pod): string => metadata.namespace ?? "";
