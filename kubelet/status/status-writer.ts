import type { Pod, PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import { isConflict, isNotFound, isTooLarge } from "@raft2kube/client-kube/errors.ts";
import type { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { FairTurns } from "@raft2kube/std/turns.ts";
import {
  STATUS_RETRY_MS,
  STATUS_RETRY_MS_MAX,
  STATUS_WRITES_MAX,
  STATUS_WRITES_OF_NAMESPACE_MAX,
} from "../limits.ts";
import { fullNameOf, nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import { showsStatus, statusPatch } from "./status-patch.ts";

const log = logger("kubelet-status");

interface Entry {
  pod: Pod;
  status: PodStatus;
  /** The pod is reclaimed: delete the object after its last status is written. */
  removes: boolean;
  /** The status that the API has, as JSON, and the version of the object known to have it. */
  written: { readonly text: string; readonly revision: number } | undefined;
  readonly writes: Runner;
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
 * is deleted or replaced is skipped. Namespaces write in rotation, some statuses of each at a time.
 */
export class StatusWriter {
  readonly #options: StatusWriterOptions;
  readonly #entries = new Map<string, Entry>();
  readonly #turns = new FairTurns(STATUS_WRITES_MAX, STATUS_WRITES_OF_NAMESPACE_MAX);
  #isClosed = false;

  constructor(options: StatusWriterOptions) {
    this.#options = options;
  }

  publish(pod: Pod, status: PodStatus): void {
    const entry = this.#entryOf(pod, status);
    entry.pod = pod;
    entry.status = status;
    entry.writes.request();
  }

  /** Deletes the pod's object after its last status is written. */
  remove(pod: Pod, status: PodStatus): void {
    const entry = this.#entryOf(pod, status);
    entry.pod = pod;
    entry.removes = true;
    entry.writes.request();
  }

  /** Writes the status again: the mirror was created or replaced. */
  rewrite(podUid: string): void {
    const entry = this.#entries.get(podUid);
    if (!entry) return;
    entry.written = undefined;
    entry.writes.request();
  }

  /** Checks a changed object, and writes the status again if another client has overwritten it. */
  review(podUid: string): void {
    this.#entries.get(podUid)?.writes.request();
  }

  forget(podUid: string): void {
    void this.#entries.get(podUid)?.writes.close();
    this.#entries.delete(podUid);
  }

  close(): void {
    this.#isClosed = true;
    for (const { writes } of this.#entries.values()) void writes.close();
  }

  #entryOf(pod: Pod, status: PodStatus): Entry {
    const uid = uidOf(pod);
    const known = this.#entries.get(uid);
    if (known) return known;
    // While it waited for its turn the pod may have been forgotten, or the writer closed.
    const isKept = () => !this.#isClosed && this.#entries.get(uid) === entry;
    const write = async () => isKept() && this.#writeOnce(entry);
    const writes = new Runner({
      clock: this.#options.clock,
      retry: { first_ms: STATUS_RETRY_MS, most_ms: STATUS_RETRY_MS_MAX },
      run: async () => ((await this.#turns.run(namespaceOf(pod), write)) ? 0 : Infinity),
      report: failureLog(log, `the status of pod ${fullNameOf(pod)} is not written`),
    });
    const entry: Entry = { pod, status, removes: false, written: undefined, writes };
    this.#entries.set(uid, entry);
    return entry;
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
      if (entry.written?.text !== text) {
        const patch = statusPatch(uid, status);
        const about = { ...where, subresource: "status" };
        // The informer sends the object, which may have a megabyte.
        const shown = await pods.patch(about, "strategic", patch, { metadataOnly: true });
        entry.written = { text, revision: revisionOf(shown) };
        return true;
      }
      if (entry.removes) {
        await pods.delete(where, { gracePeriodSeconds: 0, preconditions: { uid } });
        this.forget(uidOf(entry.pod));
      }
      return false;
    } catch (thrown) {
      if (isTooLarge(thrown)) {
        // The pod's author chose its size: it keeps the status before, and can be deleted.
        const pod = fullNameOf(object);
        log.warn("the status of a pod is too large to be written", {
          pod,
          error: messageOf(thrown),
        });
        entry.written = { text, revision: revisionOf(object) };
        return entry.removes;
      }
      // The object was deleted or replaced by another of its name: skip it.
      if (!isNotFound(thrown) && !isConflict(thrown)) throw thrown;
      log.debug("the pod's object is gone", { pod: fullNameOf(object), uid });
      entry.written = { text, revision: revisionOf(object) };
      return false;
    }
  }

  /**
   * Marks the status as unwritten if another client has overwritten it. Versions older than our
   * last write are ignored.
   */
  #detectOverwrite(entry: Entry, object: Pod): void {
    const { written } = entry;
    const revision = revisionOf(object);
    if (written === undefined || revision <= written.revision) return;
    if (showsStatus(object.status, JSON.parse(written.text) as PodStatus)) {
      entry.written = { ...written, revision };
    } else {
      log.info("another client overwrote the pod's status, writing it again", {
        pod: fullNameOf(object),
      });
      entry.written = undefined;
    }
  }
}

/** Revisions of one resource can be compared as numbers (upstream's rule since 1.35). */
const revisionOf = ({ metadata }: Pod): number => Number(metadata.resourceVersion);
