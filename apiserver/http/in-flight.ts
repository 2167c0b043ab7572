import type { RequestUser } from "@raft2kube/api/kind.ts";
import { tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import { LASTING_OF_USER_MAX } from "../limits.ts";
import type { InFlightMax } from "../options.ts";
import type { RequestInfo } from "../request/request-info.ts";

const READING = new Set(["get", "list"]);
const MASTERS = "system:masters";
/** The group of all service accounts of a namespace: its editors make as many as they like. */
const ACCOUNTS_OF_NAMESPACE = "system:serviceaccounts:";

/**
 * Bounds the requests in flight, as upstream does without priority and fairness. Requests of
 * system:masters are always admitted, so that an overload can be repaired; so are health and
 * discovery.
 */
export class InFlight {
  readonly #max: InFlightMax;
  readonly #now = { reading: 0, writing: 0 };
  /** Requests that last, by whose they are. */
  readonly #lasting = new Map<string, number>();

  constructor(max: InFlightMax) {
    this.#max = max;
  }

  /** Returns how to say that the request has ended. Throws 429 when there are too many. */
  admit(info: RequestInfo, user: RequestUser): () => void {
    const kind = READING.has(info.verb) ? "reading" : "writing";
    const free = !info.resourceRequest || user.groups.includes(MASTERS);
    if (!free && this.#now[kind] >= this.#max[kind]) throw tooMany();
    this.#now[kind]++;
    return () => void this.#now[kind]--;
  }

  /**
   * The same for a long-running request, which is bounded for each user: one user's watches leave
   * room for those of others.
   */
  admitLongRunning({ name, groups }: RequestUser): () => void {
    const whose = groups.find((group) => group.startsWith(ACCOUNTS_OF_NAMESPACE)) ?? name;
    const now = this.#lasting.get(whose) ?? 0;
    const most = this.#max.lasting ?? LASTING_OF_USER_MAX;
    if (now >= most && !groups.includes(MASTERS)) throw tooMany();
    this.#lasting.set(whose, now + 1);
    return () => {
      const left = this.#lasting.get(whose)! - 1;
      if (left > 0) this.#lasting.set(whose, left);
      else this.#lasting.delete(whose);
    };
  }
}
