import { tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import { Shares } from "@raft2kube/std/shares.ts";
import type { ResponseBudget } from "../handlers/response/response-budget.ts";
import { ownerOf } from "../authn/owner.ts";
import { MASTERS_GROUP } from "../authn/identities.ts";
import { LASTING_OF_USER_MAX, sharesOf } from "../limits.ts";
import type { RequestMetrics } from "../metrics/requests.ts";
import type { InFlightMax } from "../options.ts";
import type { RequestContext } from "../request/context.ts";

const READING = new Set(["get", "list"]);

/**
 * Bounds the requests that are worked on at a time, in the place of upstream's priority and
 * fairness: each user and each namespace's service accounts have a share, and a part is reserved
 * for nodes and the control plane. Requests of system:masters are always admitted, so that an
 * overload can be repaired; so are health and discovery.
 */
export class InFlight {
  readonly #answers: Pick<ResponseBudget, "isFull">;
  readonly #current: RequestMetrics["current"];
  readonly #slots: { reading: Shares; writing: Shares };
  readonly #lasting: Shares;

  constructor(
    max: InFlightMax,
    current: RequestMetrics["current"],
    answers: Pick<ResponseBudget, "isFull">,
  ) {
    this.#current = current;
    this.#answers = answers;
    const slots = (all: number) => new Shares(sharesOf(all));
    this.#slots = { reading: slots(max.reading), writing: slots(max.writing) };
    const each = max.lasting ?? LASTING_OF_USER_MAX;
    this.#lasting = new Shares({ all: Number.MAX_SAFE_INTEGER, each, reserved: 0 });
  }

  /** Returns how to say that the request's work is done. Throws 429 when there are too many. */
  admit(context: RequestContext): () => void {
    const { info, user } = context;
    const kind = READING.has(info.verb) ? "reading" : "writing";
    const owner = ownerOf(context);
    // An answer that would be refused is not read from the store.
    if (kind === "reading" && info.resourceRequest && this.#answers.isFull(owner)) throw tooMany();
    const shares = this.#slots[kind];
    if (!shares.fits(owner)) {
      if (info.resourceRequest && !user.groups.includes(MASTERS_GROUP)) throw tooMany();
      return () => undefined;
    }
    const give = shares.take(owner);
    const current = this.#current[kind];
    current.value = shares.taken;
    return () => {
      give();
      current.value = shares.taken;
    };
  }

  /**
   * The same for a long-running request, which is bounded for each owner: one user's watches leave
   * room for those of others.
   */
  admitLongRunning(context: RequestContext): () => void {
    const owner = ownerOf(context);
    if (!this.#lasting.fits(owner)) throw tooMany();
    return this.#lasting.take(owner);
  }
}
