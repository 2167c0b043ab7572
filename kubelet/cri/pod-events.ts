import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { EVENTS_REOPEN_MS, RELIST_EVENTED_MS, RELIST_GENERIC_MS } from "../limits.ts";
import { POD_UID_LABEL } from "../pods/pod-labels.ts";
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
  /** State of every container and sandbox in the last list. */
  #known = new Map<string, { uid: string; state: string }>();
  #streaming = false;
  /** The stream was interrupted: changes in between are found by the next list only. */
  #missed = false;
  /** Ends the pause before the next list. */
  #wake = new AbortController();
  #running: Promise<unknown> | undefined;

  constructor(options: PodEventsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= Promise.all([this.#stream(), this.#relistForEver()]);
  }

  async close(): Promise<void> {
    this.#end.abort();
    this.#wake.abort();
    await this.#running;
  }

  async #stream(): Promise<void> {
    const { runtime, clock } = this.#options;
    const { signal } = this.#end;
    while (!signal.aborted) {
      // The stream counts as open until it fails: an idle stream sends nothing.
      this.#streaming = true;
      try {
        for await (const event of runtime.runtime.getContainerEvents({}, { signal })) {
          const uid =
            event.podSandboxStatus?.metadata?.uid ??
            event.containersStatuses[0]?.labels[POD_UID_LABEL] ??
            this.#known.get(event.containerId)?.uid;
          if (uid) this.#options.changed(uid);
        }
      } catch (thrown) {
        if (isUnimplemented(thrown)) return this.#isAway();
        if (!signal.aborted) log.info("the event stream broke off", { error: messageOf(thrown) });
      }
      this.#isAway();
      await delay(clock, EVENTS_REOPEN_MS, signal);
    }
  }

  #isAway(): void {
    this.#streaming = false;
    this.#missed = true;
    this.#wake.abort();
  }

  async #relistForEver(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#end;
    while (!signal.aborted) {
      // The stream reports what happens after this list if it was open before it.
      const streamed = this.#streaming;
      this.#missed = false;
      try {
        await this.#relist(signal);
      } catch (thrown) {
        // The node's Ready condition reports a runtime that does not answer.
        if (!signal.aborted) log.debug("no list", { error: messageOf(thrown) });
        this.#missed = true;
      }
      if (signal.aborted) return;
      const calm = streamed && !this.#missed;
      this.#wake = new AbortController();
      await delay(clock, calm ? RELIST_EVENTED_MS : RELIST_GENERIC_MS, this.#wake.signal);
    }
  }

  async #relist(signal: AbortSignal): Promise<void> {
    const { runtime } = this.#options.runtime;
    const [{ items }, { containers }] = await Promise.all([
      runtime.listPodSandbox({}, { signal }),
      runtime.listContainers({}, { signal }),
    ]);
    const now = new Map<string, { uid: string; state: string }>();
    for (const one of [...items, ...containers]) {
      const uid = one.labels[POD_UID_LABEL];
      if (uid) now.set(one.id, { uid, state: String(one.state) });
    }
    const before = this.#known;
    this.#known = now;
    const changed = new Set<string>();
    for (const [id, { uid, state }] of now) {
      if (before.get(id)?.state !== state) changed.add(uid);
    }
    for (const [id, { uid }] of before) if (!now.has(id)) changed.add(uid);
    for (const uid of changed) this.#options.changed(uid);
  }
}
