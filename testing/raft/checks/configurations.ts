import type { MemberId, Membership } from "@raft2kube/store/core/types.ts";
import { require } from "../../violation.ts";
import { isQuorum } from "./quorum.ts";

/**
 * Any quorum of a committed configuration meets any quorum of the next one (dissertation section
 * 4), and all members take the same configuration at an index.
 */
export class Configurations {
  readonly #taken: { index: number; membership: Membership; name: string }[];

  constructor(initial: Membership) {
    this.#taken = [{ index: 0, membership: initial, name: nameOf(initial) }];
  }

  /** Pairs of configurations that were held against each other. */
  get compared(): number {
    return this.#taken.length - 1;
  }

  /** The last configuration that a member has applied, and where in the log its change is. */
  get newest(): { readonly index: number; readonly membership: Membership } {
    return this.#taken.at(-1)!;
  }

  /** A member has applied the change at `index` and has this configuration now. */
  applied(member: MemberId, index: number, membership: Membership): void {
    const name = nameOf(membership);
    const known = this.#taken.find((each) => each.index === index);
    if (known) {
      const message = `${member} took ${name} at ${index}, others ${known.name}`;
      return require(known.name === name, "configurations agree", message);
    }
    const before = this.#taken.at(-1)!;
    const order = `${member} is the first with a change at ${index}, after ${before.index}`;
    require(index > before.index, "configurations agree", order);
    const apart = disjointQuorums(before.membership, membership);
    const message = `${before.name} and ${name} at ${index}: ${apart?.join(" and ")} decide apart`;
    require(apart === undefined, "quorums intersect", message);
    this.#taken.push({ index, membership, name });
  }

  /** A member's state at `index` says this configuration. */
  has(member: MemberId, index: number, membership: Membership): void {
    const due = this.#taken.findLast((each) => each.index <= index)!;
    const message = `${member} at ${index} has ${nameOf(membership)}, not ${due.name}`;
    require(due.name === nameOf(membership), "configurations agree", message);
  }
}

function nameOf({ voters, outgoing, learners }: Membership): string {
  const joint = outgoing.length > 0 ? ` and [${outgoing.join(" ")}]` : "";
  return `[${voters.join(" ")}]${joint} with [${learners.join(" ")}]`;
}

/** A quorum of each that have no member in both, by trying all sets of members. */
function disjointQuorums(a: Membership, b: Membership): [string, string] | undefined {
  const all = [...new Set([...a.voters, ...a.outgoing, ...b.voters, ...b.outgoing])];
  for (let set = 0; set < 1 << all.length; set++) {
    const inside = (_: MemberId, i: number) => (set & (1 << i)) !== 0;
    const some = new Set(all.filter(inside));
    const rest = new Set(all.filter((member) => !some.has(member)));
    if (isQuorum(a, (id) => some.has(id)) && isQuorum(b, (id) => rest.has(id))) {
      return [[...some].join(" "), [...rest].join(" ")];
    }
  }
  return undefined;
}
