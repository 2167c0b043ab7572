import type { Pod, PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import { isConflict, isNotFound } from "@raft2kube/client-kube/errors.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { STATUS_RETRY_MS_MAX, STATUS_RETRY_MS } from "../limits.ts";
import { fullNameOf, nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import { showsStatus, statusPatch } from "./status-patch.ts";

const log = logger("kubelet-status");

interface Entry {
  pod: Pod;
  status: PodStatus;
  /** The status that the API has, as JSON; undefined: not written yet. */
  written: string | undefined;
  /** Resource version at which the object is known to have that status. */
  revision: number;
  /** The pod is reclaimed: delete the object after its last status is written. */
  removes: boolean;
  writing: boolean;
  failures: number;
  timer: Timer | undefined;
}

export interface StatusWriterOptions {
  pods: ResourceClient<Pod>;
  clock: Clock;
  /**
   * Returns the API object of a pod: the pod, or a static pod's mirror; undefined when there is
   * none, or another pod of its name.
   */
  objectOf(pod: Pod): Pod | undefined;
}

/**
 * Writes the newest status of each pod to the API, one write at a time per pod. Retries until the
 * API has it, and writes it again when another client has overwritten it: the control plane marks
 * the pods of a silent node as not ready, and only their kubelet sets them back. A pod whose object
 * is deleted or replaced is skipped.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #entries = new Map<string, Entry>();
  #closed = false;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  publish(pod: Pod, status: PodStatus): void {
    const entry = this.#entryOf(pod, status);
    entry.pod = pod;
    entry.status = status;
    void this.#write(entry);
  }

  /** Deletes the pod's object after its last status is written. */
  remove(pod: Pod, status: PodStatus): void {
    const entry = this.#entryOf(pod, status);
    entry.pod = pod;
    entry.removes = true;
    void this.#write(entry);
  }

  /** Writes the status again: the mirror was created or replaced. */
  rewrite(podUid: string): void {
    const entry = this.#entries.get(podUid);
    if (!entry) return;
    entry.written = undefined;
    void this.#write(entry);
  }

  /** Checks a changed object, and writes the status again if another client has overwritten it. */
  review(podUid: string): void {
    const entry = this.#entries.get(podUid);
    if (entry) void this.#write(entry);
  }

  forget(podUid: string): void {
    const entry = this.#entries.get(podUid);
    entry?.timer?.cancel();
    this.#entries.delete(podUid);
  }

  close(): void {
    this.#closed = true;
    for (const { timer } of this.#entries.values()) timer?.cancel();
  }

  #entryOf(pod: Pod, status: PodStatus): Entry {
    const uid = uidOf(pod);
    let entry = this.#entries.get(uid);
    if (!entry) {
      const state = { written: undefined, revision: 0, removes: false, writing: false };
      entry = { pod, status, ...state, failures: 0, timer: undefined };
      this.#entries.set(uid, entry);
    }
    return entry;
  }

  async #write(entry: Entry): Promise<void> {
    if (entry.writing || this.#closed) return;
    entry.writing = true;
    entry.timer?.cancel();
    try {
      while (!this.#closed && (await this.#writeOnce(entry)));
      entry.failures = 0;
    } catch (thrown) {
      const pod = fullNameOf(entry.pod);
      log.warn("pod status not written, trying again", { pod, error: messageOf(thrown) });
      const pause_ms = Math.min(STATUS_RETRY_MS * 2 ** entry.failures++, STATUS_RETRY_MS_MAX);
      if (!this.#closed) {
        entry.timer = this.#options.clock.after(pause_ms, () => void this.#write(entry));
      }
    } finally {
      entry.writing = false;
    }
  }

  /** Makes one write if it is due. Returns whether another may be due. */
  async #writeOnce(entry: Entry): Promise<boolean> {
    const { pods } = this.#options;
    const object = this.#options.objectOf(entry.pod);
    if (!object) return false;
    this.#detectOverwrite(entry, object);
    const { status } = entry;
    const text = JSON.stringify(status);
    const where = { namespace: namespaceOf(object), name: nameOf(object) };
    const uid = uidOf(object);
    try {
      if (entry.written !== text) {
        const patch = statusPatch(uid, status);
        const shown = await pods.patch({ ...where, subresource: "status" }, "strategic", patch);
        entry.written = text;
        entry.revision = revisionOf(shown);
        return true;
      }
      if (entry.removes) {
        await pods.delete(where, { gracePeriodSeconds: 0, preconditions: { uid } });
        this.forget(uidOf(entry.pod));
      }
      return false;
    } catch (thrown) {
      // The object was deleted or replaced by another of its name: skip it.
      if (!isNotFound(thrown) && !isConflict(thrown)) throw thrown;
      log.debug("the pod's object is gone", { pod: fullNameOf(object), uid });
      entry.written = text;
      return false;
    }
  }

  /**
   * Marks the status as unwritten if another client has overwritten it. Versions older than our
   * last write are ignored.
   */
  #detectOverwrite(entry: Entry, object: Pod): void {
    const revision = revisionOf(object);
    if (entry.written === undefined || revision <= entry.revision) return;
    if (showsStatus(object.status, JSON.parse(entry.written) as PodStatus)) {
      entry.revision = revision;
    } else {
      log.info("another client overwrote the pod's status, writing it again", {
        pod: fullNameOf(object),
      });
      entry.written = undefined;
    }
  }
}

/** Revisions of one resource can be compared as numbers (upstream's rule since 1.35). */
function revisionOf({ metadata }: Pod): number {
  return Number(metadata.resourceVersion);
}
