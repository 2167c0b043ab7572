import { messageOf } from "@raft2kube/std/errors.ts";
import { useEffect, useState } from "preact/hooks";
import { type AnyObject, ApiError, get, lines } from "./api.ts";
import { type Kind, pathOf } from "./kinds.ts";

const RETRY_MS = 2_000;
const WATCH_LINE_CHARS_MAX = 4 << 20;

/** One object, kept current by a watch where its kind has one; and why it may be old. */
export function useLive(
  kind: Kind,
  namespace: string,
  name: string,
): [object: AnyObject | undefined, problem: string | undefined] {
  const [object, setObject] = useState<AnyObject>();
  const [problem, setProblem] = useState<string>();
  useEffect(() => {
    let [stop, timer, open] = [() => {}, 0, true];
    const again = (why: string) => {
      setProblem(why);
      timer = window.setTimeout(() => void start(), RETRY_MS);
    };
    // The same state again is no change: what depends on the object would be asked again.
    const show = (now: AnyObject) => setObject((shown) => (isSame(shown, now) ? shown : now));
    const start = async () => {
      try {
        const found = await get(pathOf(kind, namespace, name));
        if (!open) return;
        show(found);
        setProblem(undefined);
        if (kind.verbs.includes("watch")) follow();
      } catch (thrown) {
        if (!open) return;
        const isFinal = thrown instanceof ApiError && [403, 404].includes(thrown.status);
        if (isFinal) setProblem(messageOf(thrown));
        else again(messageOf(thrown));
      }
    };
    // From now on: the object's own version may be older than what the server can watch from.
    const follow = () => {
      const query = `?watch=1&fieldSelector=${encodeURIComponent(`metadata.name=${name}`)}`;
      stop = lines(
        pathOf(kind, namespace) + query,
        (line) => {
          const event = JSON.parse(line) as { type: string; object: AnyObject };
          if (event.type === "DELETED") setProblem("it has been deleted");
          if (event.type === "ADDED" || event.type === "MODIFIED") show(event.object);
        },
        (why, code) => {
          if (code === 1_000) timer = window.setTimeout(() => void start(), RETRY_MS);
          else if (code !== 4_000) again(why || "the connection was lost");
        },
        WATCH_LINE_CHARS_MAX,
      );
    };
    void start();
    return () => {
      open = false;
      clearTimeout(timer);
      stop();
    };
  }, [pathOf(kind, namespace, name)]);
  return [object, problem];
}

function isSame(a: AnyObject | undefined, b: AnyObject): boolean {
  return (
    a?.metadata.uid === b.metadata.uid && a?.metadata.resourceVersion === b.metadata.resourceVersion
  );
}
