import { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import type { WatchCreateRequest, WatchRequest, WatchResponse } from "@raft2kube/proto/gen/etcd.ts";
import { goCodeName } from "@raft2kube/rpc/error.ts";
import { checkRead } from "../../auth/authorize.ts";
import type { State } from "../../mvcc/state/state.ts";
import type { WatchStreamQueue } from "../../mvcc/watch/stream-queue.ts";
import { filtersOf } from "../../mvcc/watch/watcher.ts";
import { isEmptyRange, keyRange } from "../../structures/key-range.ts";
import type { EtcdContext } from "../request/context.ts";

const ANSWER_BYTES = 64;
/** The watch id of answers that belong to no watch. */
const NO_WATCH = -1n;
const FIRST_KEY = Buffer.from([0]);

/** A watch without a key starts with the first there is. */
const firstKey = (key: Buffer) => (key.length === 0 ? FIRST_KEY : key);

/**
 * Where a watch starts: 0 is the present. Anything below it is compacted, but for -1 in a store
 * that was never compacted: etcd looks for it after all records, and continues with the present.
 */
function firstRevision({ revision, compactRevision }: State, wanted: number): number {
  const present = wanted === 0 || (wanted < 0 && wanted >= compactRevision);
  return present ? revision + 1 : wanted;
}

/** The parts of a member that watches need. */
type WatchContext = Pick<EtcdContext, "state" | "watches">;

/** Watch.Watch, one stream: requests go in as they come, responses are taken one by one. */
export class WatchSession {
  readonly #context: WatchContext;
  readonly #identify: EtcdContext["identify"];
  readonly #queue: WatchStreamQueue;
  /** The request before the next one, when it is still to be done. */
  #turn: Promise<void> | undefined;
  #nextId = 0n;

  /**
   * `identify` returns the stream's user as of now: a token may have expired since it started.
   * `client` is the address that its turns to catch up count for.
   */
  constructor(context: WatchContext, identify: EtcdContext["identify"], client = "") {
    this.#context = context;
    this.#identify = identify;
    this.#queue = context.watches.openStream(client);
  }

  /** The next response; undefined once the session is closed. */
  next(): Promise<WatchResponse | undefined> {
    return this.#queue.next();
  }

  /** All responses that wait, at least one; undefined once the session is closed. */
  take(): Promise<WatchResponse[] | undefined> {
    return this.#queue.take();
  }

  /**
   * Handles a client's requests as they come, until it ends them. While the client does not read
   * the answers, no request is read: the queue is bounded, and the rest waits with the client.
   */
  async follow(requests: AsyncIterable<WatchRequest>): Promise<void> {
    for await (const request of requests) {
      await this.#queue.untilNotFull();
      if (this.#queue.ended) return;
      await this.handle(request);
    }
  }

  /**
   * Executes a request immediately, or by when the returned promise resolves: with auth enabled a
   * create first identifies its user. Requests keep their order either way.
   */
  handle(request: WatchRequest): Promise<void> | undefined {
    const asks = this.#context.state.auth.enabled && request.createRequest !== undefined;
    if (!this.#turn && !asks) {
      this.#act(request);
      return undefined;
    }
    const turn = this.#afterTurn(this.#turn, request);
    this.#turn = turn;
    return turn;
  }

  async #afterTurn(before: Promise<void> | undefined, request: WatchRequest): Promise<void> {
    await before;
    const { createRequest } = request;
    const refusal = createRequest && (await this.#refusal(createRequest));
    if (refusal === undefined) this.#act(request);
    else this.#refuse(refusal);
  }

  #act({ createRequest, cancelRequest, progressRequest }: WatchRequest): void {
    // Closed while the caller of a create was looked up.
    if (this.#queue.ended) return;
    if (createRequest) this.#create(createRequest);
    else if (cancelRequest) this.#cancel(cancelRequest.watchId);
    else if (progressRequest) this.#progress();
  }

  /** Ends the stream; its reader gets `reason`. */
  close(reason?: EtcdError): void {
    this.#context.watches.closeStream(this.#queue, reason);
  }

  /** Why the stream's caller may not watch these keys; undefined when it may. */
  async #refusal({ key, rangeEnd }: WatchCreateRequest): Promise<string | undefined> {
    const { auth } = this.#context.state;
    if (!auth.enabled) return undefined;
    try {
      checkRead(auth, await this.#identify(), firstKey(key), rangeEnd);
      return undefined;
    } catch (thrown) {
      if (!(thrown instanceof EtcdError)) throw thrown;
      return `rpc error: code = ${goCodeName(thrown)} desc = ${thrown.message}`;
    }
  }

  #create(request: WatchCreateRequest): void {
    const { watches, state } = this.#context;
    const range = keyRange(firstKey(request.key), request.rangeEnd);
    if (isEmptyRange(range)) return this.#refuse("mvcc: watcher range is empty");
    const id = this.#chooseId(request.watchId);
    if (id === undefined) {
      return this.#refuse("mvcc: duplicate watch ID provided on the WatchStream");
    }
    this.#push({ watchId: id, created: true });
    watches.add({
      id,
      range,
      stream: this.#queue,
      prevKv: request.prevKv,
      progressNotify: request.progressNotify,
      fragment: request.fragment,
      ...filtersOf(request.filters),
      nextRevision: firstRevision(state, request.startRevision),
      behind: false,
      idle: true,
    });
  }

  /** The client's choice unless it is taken; 0 leaves it to us. */
  #chooseId(wanted: bigint): bigint | undefined {
    if (wanted !== 0n) return this.#isTaken(wanted) ? undefined : wanted;
    while (this.#isTaken(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }

  #isTaken(id: bigint): boolean {
    return this.#context.watches.watchers(this.#queue).has(id) || this.#queue.compacted.has(id);
  }

  #refuse(cancelReason: string): void {
    this.#push({ watchId: NO_WATCH, created: true, canceled: true, cancelReason });
  }

  #cancel(id: bigint): void {
    const { watches } = this.#context;
    const watcher = watches.watchers(this.#queue).get(id);
    if (!watcher && !this.#queue.compacted.delete(id)) return;
    this.#push({ watchId: id, canceled: true });
    if (watcher) watches.remove(watcher);
  }

  #progress(): void {
    this.#queue.progressWanted = true;
    this.#context.watches.answerProgress(this.#queue);
  }

  #push(response: Partial<WatchResponse> & { watchId: bigint }): void {
    const { watchId, ...rest } = response;
    this.#queue.push(this.#context.watches.response(watchId, rest), ANSWER_BYTES);
  }
}
