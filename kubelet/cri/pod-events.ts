import { logger } from "@raft2kube/observe/log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { EVENTS_REOPEN_MS, RELIST_EVENTED_MS, RELIST_GENERIC_MS } from "../limits.ts";
import { POD_UID_LABEL } from "../pods/pod-labels.ts";
import { everyContainer, everySandbox } from "./every.ts";
import { isUnimplemented, type Runtime } from "./runtime.ts";

const log = logger("kubelet-pod-events");

export interface PodEventsOptions {
  runtime: Runtime;
  clock: Clock;
  /** Something of this pod started, stopped or was removed. */
  changed(podUid: string): void;
}

/**
 * Reports which pods changed: immediately by the runtime's event stream, and by a list of all
 * containers every few minutes (every second without a stream), which finds missed changes.
 */
export class PodEvents {
  readonly #options: PodEventsOptions;
  readonly #end = new AbortController();
  readonly #streams: Runner;
  readonly #lists: Runner;
  /** State of every container and sandbox in the last list. */
  #known = new Map<string, { uid: string; state: string }>();
  /** Whether the stream is open: it counts as open until it fails, since an idle one is silent. */
  #streaming = false;

  constructor(options: PodEventsOptions) {
    this.#options = options;
    const { clock } = options;
    this.#streams = new Runner({
      clock,
      retry: { first_ms: EVENTS_REOPEN_MS, most_ms: EVENTS_REOPEN_MS },
      run: () => this.#stream(),
      report: (thrown) => {
        if (thrown) log.info("the event stream broke off", { error: messageOf(thrown) });
      },
    });
    this.#lists = new Runner({
      clock,
      retry: { first_ms: RELIST_GENERIC_MS, most_ms: RELIST_GENERIC_MS },
      run: () => this.#relist(this.#end.signal),
      // The node's Ready condition reports a runtime that does not answer.
      report: (thrown) => {
        if (thrown) log.debug("no list", { error: messageOf(thrown) });
      },
    });
  }

  start(): void {
    this.#streams.request();
    this.#lists.request();
  }

  async close(): Promise<void> {
    this.#end.abort();
    await Promise.all([this.#streams.close(), this.#lists.close()]);
  }

  /** Follows the stream until it ends. Returns the pause before it is opened again. */
  async #stream(): Promise<number> {
    const { runtime } = this.#options.runtime;
    const { signal } = this.#end;
    this.#streaming = true;
    try {
      for await (const event of runtime.getContainerEvents({}, { signal })) {
        const uid =
          event.podSandboxStatus?.metadata?.uid ??
          event.containersStatuses[0]?.labels[POD_UID_LABEL] ??
          this.#known.get(event.containerId)?.uid;
        if (uid) this.#options.changed(uid);
      }
      return EVENTS_REOPEN_MS;
    } catch (thrown) {
      if (isUnimplemented(thrown)) return Infinity;
      throw thrown;
    } finally {
      this.#streaming = false;
      // Only a list finds what changes until the stream is open again.
      this.#lists.request();
    }
  }

  /** Lists all containers. Returns the pause before the next list. */
  async #relist(signal: AbortSignal): Promise<number> {
    const { runtime } = this.#options.runtime;
    // The stream reports what happens after this list if it was open before it.
    const next_ms = this.#streaming ? RELIST_EVENTED_MS : RELIST_GENERIC_MS;
    const now = new Map<string, { uid: string; state: string }>();
    for (const every of [everySandbox(runtime, { signal }), everyContainer(runtime, { signal })]) {
      for await (const { id, state, labels } of every) {
        const uid = labels[POD_UID_LABEL];
        if (uid) now.set(id, { uid, state: String(state) });
      }
    }
    const before = this.#known;
    this.#known = now;
    const changed = new Set<string>();
    for (const [id, { uid, state }] of now) {
      if (before.get(id)?.state !== state) changed.add(uid);
    }
    for (const [id, { uid }] of before) if (!now.has(id)) changed.add(uid);
    for (const uid of changed) this.#options.changed(uid);
    return next_ms;
  }
}
