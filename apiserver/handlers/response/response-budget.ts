import { tooMany } from "@raft2kube/apimachinery/errors/catalog.ts";
import { type Owner, Shares } from "@raft2kube/std/shares.ts";
import {
  ANSWER_SMALL_BYTES,
  ANSWERS_BYTES_MAX,
  ANSWERS_WAITING_MAX,
  SMALL_ANSWERS_BYTES_MAX,
  STREAM_BYTES,
  sharesOf,
} from "../../limits.ts";

interface Waiting {
  readonly owner: Owner;
  readonly bytes: number;
  readonly go: () => void;
}

/**
 * Bounds the bytes of answers in memory, until their clients have read them: for each owner, and in
 * all. A large answer is built when there is room for it, in order of arrival; one whose owner has
 * used its share does not delay those of others.
 */
export class ResponseBudget {
  readonly #large: Shares;
  readonly #small: Shares;
  #waiting: Waiting[] = [];

  constructor(all = ANSWERS_BYTES_MAX) {
    this.#large = new Shares(sharesOf(all));
    const each = SMALL_ANSWERS_BYTES_MAX;
    this.#small = new Shares({ all: Number.MAX_SAFE_INTEGER, each, reserved: 0 });
  }

  /** Bytes of the large answers that are being made or sent. */
  get bytes(): number {
    return this.#large.taken;
  }

  /** Whether further large answers of an owner are refused, as enough of them wait. */
  isFull(owner: Owner): boolean {
    const waiting = this.#waiting.filter(({ owner: { name } }) => name === owner.name).length;
    return waiting >= ANSWERS_WAITING_MAX && owner.may !== "all";
  }

  /**
   * Counts an answer. Waits for room for a large one, and throws 429 when too many of its owner
   * wait. Returns how to give the room back, undefined when the owner leaves too many small answers
   * unread. `waits` is called if there is no room yet.
   */
  async take(
    owner: Owner,
    bytes: number,
    signal: AbortSignal,
    waits: () => void = () => undefined,
  ): Promise<(() => void) | undefined> {
    if (bytes <= ANSWER_SMALL_BYTES) {
      const held = bytes + STREAM_BYTES;
      return this.#small.fits(owner, held) ? this.#small.take(owner, held) : undefined;
    }
    if (signal.aborted || this.isFull(owner)) throw tooMany();
    return await new Promise<() => void>((resolve, reject) => {
      const leave = () => {
        this.#waiting = this.#waiting.filter((each) => each !== waiting);
        reject(tooMany());
        this.#next();
      };
      const go = () => {
        signal.removeEventListener("abort", leave);
        const give = this.#large.take(owner, bytes);
        resolve(() => {
          give();
          this.#next();
        });
      };
      const waiting: Waiting = { owner, bytes, go };
      signal.addEventListener("abort", leave, { once: true });
      this.#waiting.push(waiting);
      this.#next();
      if (this.#waiting.includes(waiting)) waits();
    });
  }

  /** Starts those for which there is room; of owners with the same rights the first goes first. */
  #next(): void {
    let isOrdinaryBlocked = false;
    for (const waiting of [...this.#waiting]) {
      const { owner, bytes } = waiting;
      const isOrdinary = owner.may === undefined;
      if (!this.#large.isWithinShare(owner, bytes) || (isOrdinary && isOrdinaryBlocked)) continue;
      if (this.#large.isLeft(owner, bytes)) {
        this.#waiting = this.#waiting.filter((each) => each !== waiting);
        waiting.go();
      } else if (isOrdinary) isOrdinaryBlocked = true;
      else return;
    }
  }
}
