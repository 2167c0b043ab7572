import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { EVENTS_REOPEN_MS, RELIST_EVENTED_MS, RELIST_GENERIC_MS } from "../limits.ts";
import { POD_UID_LABEL } from "../sandbox/sandbox-config.ts";
import { isUnimplemented, type Runtime } from "./runtime.ts";

const log = logger("kubelet-pod-events");

export interface PodEventsOptions {
  runtime: Runtime;
  clock: Clock;
  /** Something of this pod started, stopped or was removed. */
  changed(podUid: string): void;
}

/**
 * Tells which pods changed. The runtime's event stream tells at once; a list of all containers
 * every few minutes (every second while there is no stream) catches what was missed.
 */
export class PodEvents {
  readonly #options: PodEventsOptions;
  readonly #end = new AbortController();
  /** Of every container and sandbox, what the last list said. */
  #known = new Map<string, { uid: string; state: string }>();
  #streaming = false;
  /** The stream was away: what happened meanwhile is in the next list only. */
  #missed = true;
  #running: Promise<unknown> | undefined;

  constructor(options: PodEventsOptions) {
    this.#options = options;
  }

  start(): void {
    this.#running ??= Promise.all([this.#stream(), this.#relistForEver()]);
  }

  async close(): Promise<void> {
    this.#end.abort();
    await this.#running;
  }

  async #stream(): Promise<void> {
    const { runtime, clock } = this.#options;
    const { signal } = this.#end;
    while (!signal.aborted) {
      // Until the stream fails it counts as open: an idle one says nothing.
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
        this.#streaming = false;
        this.#missed = true;
        if (isUnimplemented(thrown)) return;
        if (!signal.aborted) log.info("the event stream broke off", { error: messageOf(thrown) });
      }
      await delay(clock, EVENTS_REOPEN_MS, signal);
    }
  }

  async #relistForEver(): Promise<void> {
    const { clock } = this.#options;
    const { signal } = this.#end;
    let listed_ms = -Infinity;
    while (!signal.aborted) {
      const period_ms = this.#streaming ? RELIST_EVENTED_MS : RELIST_GENERIC_MS;
      if (this.#missed || clock.monotonic() - listed_ms >= period_ms) {
        listed_ms = clock.monotonic();
        try {
          await this.#relist(signal);
          this.#missed = false;
        } catch (thrown) {
          // The node's Ready condition tells of a runtime that does not answer.
          if (!signal.aborted) log.debug("no list", { error: messageOf(thrown) });
          this.#missed = true;
        }
      }
      await delay(clock, RELIST_GENERIC_MS, signal);
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
