import type { EtcdError } from "@raft2kube/client-etcd/errors.ts";
import type {
  WatchCreateRequest,
  WatchRequest,
  WatchResponse,
} from "@raft2kube/proto/gen/etcd.ts";
import { isEmptyRange, keyRange } from "../mvcc/key-range.ts";
import { WatchStreamQueue } from "../mvcc/watch/stream-queue.ts";
import { filtersOf } from "../mvcc/watch/watcher.ts";
import type { EtcdContext } from "./context.ts";

const ANSWER_BYTES = 64;
/** The watch id of answers that belong to no watch. */
const NO_WATCH = -1n;
const FIRST_KEY = Buffer.from([0]);

/** Watch.Watch, one stream: requests go in as they come, responses are taken one by one. */
export class WatchSession {
  readonly #context: EtcdContext;
  readonly #queue = new WatchStreamQueue();
  #nextId = 0n;

  constructor(context: EtcdContext) {
    this.#context = context;
    context.watches.openStream(this.#queue);
  }

  /** The next response; undefined once the session is closed. */
  next(): Promise<WatchResponse | undefined> {
    return this.#queue.next();
  }

  handle(request: WatchRequest): void {
    const { createRequest, cancelRequest, progressRequest } = request;
    if (createRequest) this.#create(createRequest);
    else if (cancelRequest) this.#cancel(cancelRequest.watchId);
    else if (progressRequest) this.#progress();
  }

  /** Ends the stream; its reader hears of `reason`. */
  close(reason?: EtcdError): void {
    this.#context.watches.closeStream(this.#queue, reason);
  }

  #create(request: WatchCreateRequest): void {
    const { watches, state } = this.#context;
    const key = request.key.length === 0 ? FIRST_KEY : request.key;
    const range = keyRange(key, request.rangeEnd);
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
      nextRevision: request.startRevision > 0 ? request.startRevision : state.revision + 1,
      behind: false,
      quiet: true,
    });
  }

  /** The client's choice unless it is taken; 0 leaves it to us. */
  #chooseId(wanted: bigint): bigint | undefined {
    const taken = this.#context.watches.watchers(this.#queue);
    if (wanted !== 0n) return taken.has(wanted) ? undefined : wanted;
    while (taken.has(this.#nextId)) this.#nextId++;
    return this.#nextId++;
  }

  #refuse(cancelReason: string): void {
    this.#push({ watchId: NO_WATCH, created: true, canceled: true, cancelReason });
  }

  #cancel(id: bigint): void {
    const { watches } = this.#context;
    const watcher = watches.watchers(this.#queue).get(id);
    if (!watcher) return;
    this.#push({ watchId: id, canceled: true });
    watches.remove(watcher);
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
