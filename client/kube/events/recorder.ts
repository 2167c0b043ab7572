import { randomUUID } from "node:crypto";
import type { Event, ObjectReference } from "@raft2kube/api/gen/core/v1.ts";
import { type LogFields, logger } from "@raft2kube/observe/log.ts";
import { recurring } from "@raft2kube/observe/recurring.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { FairQueue } from "@raft2kube/std/fair-queue.ts";
import { dnsSubdomain } from "@raft2kube/std/names.ts";
import { RecentMap } from "@raft2kube/std/recent-map.ts";
import { delay } from "@raft2kube/std/wait.ts";
import { isNotFound, KubeError, TransportError } from "../errors.ts";
import {
  EVENT_ATTEMPTS_MAX,
  EVENT_MESSAGE_CHARS_MAX,
  EVENTS_PENDING_MAX,
  EVENTS_REMEMBERED_MAX,
} from "../limits.ts";
import type { KubeObject } from "../object/object.ts";
import { timeText } from "../object/time.ts";
import type { KubeClient } from "../rest/client.ts";
import type { ResourceClient } from "../rest/resource-client.ts";
import { EVENTS } from "../rest/resources.ts";
import { type Correlation, EventCorrelator, type Occurrence } from "./correlator.ts";

export interface EventRecorderOptions {
  client: KubeClient;
  /**
   * `default-scheduler`, `deployment-controller`, `kubelet`: what `kubectl describe` shows as From.
   */
  component: string;
  host?: string;
  clock: Clock;
}

type Recorded = Extract<Correlation, { act: "record" }> & { occurrence: Occurrence };

const log = logger("events");
const RETRY_MS = 1_000;

/**
 * Records what happened to an object, as core/v1 Events that count their repeats. Events are
 * written later, those of a namespace in order, and namespaces take turns; one that cannot be
 * written in time is dropped, which is logged, never waited for.
 */
export class EventRecorder {
  readonly #options: EventRecorderOptions;
  readonly #events: ResourceClient<Event>;
  readonly #correlator: EventCorrelator;
  readonly #written = new RecentMap<number, { name: string; namespace: string }>(
    EVENTS_REMEMBERED_MAX,
  );
  readonly #end = new AbortController();
  readonly #pending = new FairQueue<Recorded>();
  readonly #warnDropped: (fields: LogFields) => void;
  #writing: Promise<void> | undefined;
  #order = 0;

  constructor(options: EventRecorderOptions) {
    this.#options = options;
    this.#events = options.client.resource(EVENTS);
    this.#correlator = new EventCorrelator(options.clock);
    const warning = "event dropped, too many wait to be written";
    this.#warnDropped = recurring(log, warning, options.clock);
  }

  /**
   * Records an occurrence about an object (which must carry apiVersion and kind) or a reference.
   */
  record(
    about: KubeObject | ObjectReference,
    type: "Normal" | "Warning",
    reason: string,
    message: string,
  ): void {
    if (this.#end.signal.aborted) return;
    const occurrence = { about: referenceTo(about), type, reason, message: cut(message) };
    const correlation = this.#correlator.correlate(occurrence);
    if (correlation.act === "skip") return;
    const { namespace = "" } = occurrence.about;
    const recorded = { ...correlation, occurrence };
    const dropped = this.#pending.pushWithin(EVENTS_PENDING_MAX, namespace, recorded)?.occurrence;
    if (dropped) this.#warnDropped({ reason: dropped.reason, message: dropped.message });
    this.#writing ??= this.#drain();
  }

  /** Writes what is pending unless the server does not answer, then stops. */
  async close(): Promise<void> {
    this.#end.abort();
    await this.#writing;
  }

  async #drain(): Promise<void> {
    for (let next = this.#pending.shift(); next; next = this.#pending.shift()) {
      const written = await this.#write(next);
      // At the end a server that does not answer is not asked again for each event.
      if (!written && this.#end.signal.aborted) this.#pending.clear();
    }
    this.#writing = undefined;
  }

  /** Returns false when the server could not be reached in time; a refusal is an answer. */
  async #write(recorded: Recorded): Promise<boolean> {
    const { clock } = this.#options;
    for (let attempt = 1; attempt <= EVENT_ATTEMPTS_MAX; attempt++) {
      try {
        await this.#writeOnce(recorded);
        return true;
      } catch (thrown) {
        const { reason } = recorded.occurrence;
        const refused = thrown instanceof KubeError && thrown.http < 500 && thrown.http !== 429;
        if (refused || !(thrown instanceof KubeError || thrown instanceof TransportError)) {
          log.debug("event refused", { reason, error: messageOf(thrown) });
          return true;
        }
        if (attempt === EVENT_ATTEMPTS_MAX || this.#end.signal.aborted) {
          log.warn("event not written", { reason, error: messageOf(thrown) });
          return false;
        }
        await delay(clock, RETRY_MS, this.#end.signal);
      }
    }
    return false;
  }

  async #writeOnce(recorded: Recorded): Promise<void> {
    const written = this.#written.get(recorded.key);
    if (written && recorded.count > 1) {
      const lastTimestamp = timeText(this.#options.clock.now());
      const patch = { count: recorded.count, message: recorded.message, lastTimestamp };
      try {
        await this.#events.patch(written, "strategic", patch);
        return;
      } catch (thrown) {
        // The old one has expired on the server: start a new one.
        if (!isNotFound(thrown)) throw thrown;
      }
    }
    const event = this.#eventOf(recorded);
    await this.#events.create(event);
    const { name = "", namespace = "" } = event.metadata;
    this.#written.set(recorded.key, { name, namespace });
  }

  #eventOf({ occurrence, message, count, first_ms }: Recorded): Event {
    const { clock, component, host } = this.#options;
    const { about, type, reason } = occurrence;
    // As upstream: the object's name and the time in hexadecimal nanoseconds, unique by a counter;
    // a UUID where an object's name is too long for that, or has colons.
    const now_ns = BigInt(clock.now()) * 1_000_000n + BigInt(this.#order++ % 1_000_000);
    const named = `${about.name ?? ""}.${now_ns.toString(16)}`;
    const name = dnsSubdomain(named).length === 0 ? named : randomUUID();
    return {
      metadata: { name, namespace: about.namespace ?? "default" },
      involvedObject: about,
      type,
      reason,
      message,
      source: host === undefined ? { component } : { component, host },
      firstTimestamp: timeText(first_ms),
      lastTimestamp: timeText(clock.now()),
      count,
      reportingComponent: component,
      reportingInstance: host ?? "",
    };
  }
}

/** The start of a message as a copy: a part of a text keeps all of it in memory. */
function cut(message: string): string {
  if (message.length <= EVENT_MESSAGE_CHARS_MAX) return message;
  return Buffer.from(message.slice(0, EVENT_MESSAGE_CHARS_MAX)).toString();
}

function referenceTo(about: KubeObject | ObjectReference): ObjectReference {
  if (!("metadata" in about)) return about as ObjectReference;
  const { apiVersion = "", kind = "", metadata } = about;
  const { namespace, name = "", uid = "", resourceVersion = "" } = metadata;
  const reference = { apiVersion, kind, name, uid, resourceVersion };
  return namespace ? { ...reference, namespace } : reference;
}
