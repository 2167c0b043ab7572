import { isExpired, isForbidden } from "@raft2kube/client-kube/errors.ts";
import { canDo } from "@raft2kube/client-kube/rest/discovery.ts";
import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { messageOf, tolerate } from "@raft2kube/std/errors.ts";
import { useEffect, useState } from "preact/hooks";
import { type AnyObject, resource } from "./api.ts";
import type { Kind } from "./kinds.ts";

/** The least time from one round's start to the next. */
const ROUND_MS = 2_000;
/** Pauses after rounds that failed soon, of a server that is away, or that refuses. */
const PAUSES = { first_ms: ROUND_MS, most_ms: 10_000 };
const DELETED = "it has been deleted";

/** Reads or watches in rounds, until the returned function is called. */
export function follow(
  round: (signal: AbortSignal) => Promise<void>,
  failed: (problem: string) => void,
  clock: Clock = systemClock(),
): () => void {
  const end = new AbortController();
  const run = async () => {
    const began_ms = clock.monotonic();
    try {
      // A version that is gone from the server's history is no failure: it is listed again.
      await tolerate(round(end.signal), isExpired);
    } catch (thrown) {
      const isSoon = clock.monotonic() - began_ms < PAUSES.most_ms;
      if (isSoon || end.signal.aborted) throw thrown;
      // A watch that went on and was cut off: no failure in a row.
      failed(messageOf(thrown));
      return ROUND_MS;
    }
    return Math.max(0, began_ms + ROUND_MS - clock.monotonic());
  };
  const report = (thrown: unknown) => thrown !== undefined && failed(messageOf(thrown));
  const rounds = new Runner({ clock, run, report, retry: PAUSES });
  rounds.request();
  return () => {
    void rounds.close();
    end.abort();
  };
}

/** One object, kept current by a watch where its kind has one; and why it may be old. */
export function useLive(kind: Kind, namespace: string, name: string) {
  const [object, setObject] = useState<AnyObject>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    const client = resource(kind);
    // The same state again is no change: what depends on the object would be asked again.
    const version = (of?: AnyObject) => of?.metadata.resourceVersion;
    const show = (now: AnyObject) =>
      setObject((shown) => (version(shown) === version(now) ? (shown ?? now) : now));
    const watch = async (signal: AbortSignal) => {
      // From now on: the object's own version may be older than what the server can watch from.
      const fieldSelector = `metadata.name=${name}`;
      for await (const event of client.watch({ namespace, fieldSelector, signal })) {
        if (event.type === "BOOKMARK") continue;
        setProblem(event.type === "DELETED" ? DELETED : undefined);
        if (event.type !== "DELETED") show(event.object);
      }
    };
    const round = async (signal: AbortSignal) => {
      show(await client.get({ namespace, name }));
      setProblem(undefined);
      if (canDo(kind, "watch")) await tolerate(watch(signal), isForbidden);
    };
    const failed = (why: string) => setProblem((shown) => (shown === DELETED ? shown : why));
    return follow(round, failed);
  }, [groupResourceOf(kind), namespace, name]);
  return [object, problem] as const;
}
