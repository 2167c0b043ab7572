import type { Random } from "@raft2kube/std/random.ts";
import type { Message } from "@raft2kube/store/core/message.ts";
import type { MemberId } from "@raft2kube/store/core/types.ts";
import type { Timeline } from "../../testing/timeline.ts";
import { countCost } from "../check.ts";
import { judge } from "../judge.ts";
import {
  ENTRY_BYTES,
  LATENCY_MS,
  MESSAGE_BYTES,
  REJECTIONS_MAX,
  REORDERED_DELAY_MS,
  REORDERED_SHARE,
  UNRELIABLE_DELAY_MS,
  UNRELIABLE_LOSS,
} from "./limits.ts";

/**
 * `reliable`: every message to a connected member arrives soon. `unreliable`: a tenth is lost, the
 * others arrive late and in any order. `reordering`: in addition, most replies arrive so late that
 * they are stale.
 */
export type Quality = "reliable" | "unreliable" | "reordering";

export interface NetworkOptions {
  readonly timeline: Timeline;
  readonly random: Random;
  readonly quality: Quality;
  /** Whether a message can pass now. */
  readonly open: (message: Message) => boolean;
  readonly deliver: (message: Message) => void;
  readonly lose: (message: Message) => void;
}

/** Messages between the members, and the counts that the course limits: requests and bytes. */
export class Network {
  readonly #options: NetworkOptions;
  quality: Quality;
  /** Requests sent so far; replies are not counted. */
  requests = 0;
  bytes = 0;
  /** Appends that were rejected: each is a step of a leader looking for the matching index. */
  rejections = 0;
  /** Rejections of each follower since it has accepted an append. */
  readonly #rejectedInARow = new Map<MemberId, number>();
  /** When the last message of a reliable link arrives: such a link keeps the order. */
  readonly #lastArrival_ms = new Map<string, number>();

  constructor(options: NetworkOptions) {
    this.#options = options;
    this.quality = options.quality;
  }

  send(message: Message): void {
    const { timeline, open, deliver, lose } = this.#options;
    if (!isAnswer(message)) this.requests++;
    if (message.kind === "append-reply") this.#countRejection(message);
    const size = sizeOf(message);
    this.bytes += size;
    countCost("messages");
    countCost("bytes of messages", size);
    if (!open(message) || this.#loses()) return lose(message);
    timeline.after(this.#arrival_ms(message) - timeline.now_ms, () => {
      if (open(message)) deliver(message);
      else lose(message);
    });
  }

  #countRejection({ from, to, reject }: Message & { readonly kind: "append-reply" }): void {
    const inARow = reject ? (this.#rejectedInARow.get(from) ?? 0) + 1 : 0;
    this.#rejectedInARow.set(from, inARow);
    if (reject) this.rejections++;
    judge(inARow <= REJECTIONS_MAX, {
      when: `member ${from} rejects an append of member ${to}`,
      expected: "each append begins further back, until the logs match; then all is accepted",
      happened: `${inARow} rejections in a row`,
      why: "the two exchange messages without end, and the follower never gets an entry",
    });
  }

  #loses(): boolean {
    return this.quality !== "reliable" && this.#options.random.next() < UNRELIABLE_LOSS;
  }

  #arrival_ms(message: Message): number {
    const { now_ms } = this.#options.timeline;
    if (this.quality !== "reliable") return now_ms + this.#delay_ms(message);
    const link = `${message.from}>${message.to}`;
    const own_ms = now_ms + LATENCY_MS * (1 + this.#options.random.next());
    const arrival_ms = Math.max(own_ms, this.#lastArrival_ms.get(link) ?? 0);
    this.#lastArrival_ms.set(link, arrival_ms);
    return arrival_ms;
  }

  #delay_ms(message: Message): number {
    const { random } = this.#options;
    const share = random.next();
    const late = this.quality === "reordering" && isAnswer(message);
    if (late && random.next() < REORDERED_SHARE) return share * REORDERED_DELAY_MS;
    return share * UNRELIABLE_DELAY_MS;
  }
}

const isAnswer = (message: Message): boolean => message.kind.endsWith("-reply");

function sizeOf(message: Message): number {
  if (message.kind !== "append") return MESSAGE_BYTES;
  return message.entries.reduce(
    (bytes, entry) => bytes + ENTRY_BYTES + entry.data.length,
    MESSAGE_BYTES,
  );
}
