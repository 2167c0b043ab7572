import type { Pod } from "@raft2kube/api/gen/core/v1.ts";

/**
 * Returns the body of /pods in pieces of one pod each, made when they are asked for: all together
 * may be more than a hundred megabytes, which one turn of the event loop would take.
 */
export function* podListParts<T>(items: Iterable<T>, podOf: (item: T) => Pod): Generator<string> {
  yield '{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[';
  let separator = "";
  for (const item of items) {
    yield `${separator}${JSON.stringify(podOf(item))}`;
    separator = ",";
  }
  yield "]}";
}
