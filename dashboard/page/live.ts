import { isExpired } from "@raft2kube/client-kube/errors.ts";
import { canDo } from "@raft2kube/client-kube/rest/discovery.ts";
import { groupResourceOf } from "@raft2kube/client-kube/rest/resource.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { useEffect, useState } from "preact/hooks";
import { type AnyObject, resource } from "./api.ts";
import type { Kind } from "./kinds.ts";

const PAUSE_MS = 2_000;

/**
 * Reads or watches in rounds, the next one a pause after the last one has ended or failed, until
 * the returned function is called.
 */
export function follow(
  round: (signal: AbortSignal) => Promise<void>,
  failed: (problem: string) => void,
): () => void {
  const end = new AbortController();
  const run = async () => {
    while (!end.signal.aborted) {
      try {
        await round(end.signal);
      } catch (thrown) {
        if (!end.signal.aborted && !isExpired(thrown)) failed(messageOf(thrown));
      }
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  };
  void run();
  return () => end.abort();
}

/** One object, kept current by a watch where its kind has one; and why it may be old. */
export function useLive(
  kind: Kind,
  namespace: string,
  name: string,
): [object: AnyObject | undefined, problem: string | undefined] {
  const [object, setObject] = useState<AnyObject>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    const client = resource(kind);
    // The same state again is no change: what depends on the object would be asked again.
    const show = (now: AnyObject) => setObject((shown) => (isSame(shown, now) ? shown : now));
    const round = async (signal: AbortSignal) => {
      show(await client.get({ namespace, name }));
      setProblem(undefined);
      if (!canDo(kind, "watch")) return;
      // From now on: the object's own version may be older than what the server can watch from.
      const fieldSelector = `metadata.name=${name}`;
      for await (const event of client.watch({ namespace, fieldSelector, signal })) {
        if (event.type === "DELETED") setProblem("it has been deleted");
        else if (event.type !== "BOOKMARK") show(event.object);
      }
    };
    return follow(round, setProblem);
  }, [groupResourceOf(kind), namespace, name]);
  return [object, problem];
}

function isSame(a: AnyObject | undefined, b: AnyObject): boolean {
  const [now, before] = [b.metadata, a?.metadata];
  return now.uid === before?.uid && now.resourceVersion === before?.resourceVersion;
}
