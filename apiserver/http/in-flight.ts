import type { RequestUser } from "@raft2kube/api/kind.ts";
import { tooMany } from "../object/errors/catalog.ts";
import type { InFlightMax } from "../options.ts";
import type { RequestInfo } from "../request/request-info.ts";

const READING = new Set(["get", "list"]);

/**
 * Bounds the requests being worked on, as upstream does without priority and fairness. Masters
 * are let in always, so that somebody can mend what the others do; so are health and discovery.
 */
export class InFlight {
  readonly #max: InFlightMax;
  readonly #now = { reading: 0, writing: 0 };

  constructor(max: InFlightMax) {
    this.#max = max;
  }

  /** Returns how to say that the request has ended. Throws 429 when there are too many. */
  admit(info: RequestInfo, user: RequestUser): () => void {
    const kind = READING.has(info.verb) ? "reading" : "writing";
    const free = !info.resourceRequest || user.groups.includes("system:masters");
    if (!free && this.#now[kind] >= this.#max[kind]) throw tooMany();
    this.#now[kind]++;
    return () => void this.#now[kind]--;
  }
}
