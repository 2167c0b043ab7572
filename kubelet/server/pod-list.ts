import { Readable, type Writable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { Pod, PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import { errno, tolerate } from "@raft2kube/std/errors.ts";

/** Sends the body of /pods. A client that hangs up is not an error. */
export async function sendPodList<T>(
  items: Iterable<T>,
  podOf: (item: T) => Pod,
  response: Writable,
): Promise<void> {
  const sent = pipeline(Readable.from(podListParts(items, podOf)), response);
  await tolerate(sent, errno("ERR_STREAM_PREMATURE_CLOSE"));
}

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

/** Whether the runtime runs one of the pod's containers, as far as its status says. */
export function runsContainers(status: PodStatus | undefined): boolean {
  const { containerStatuses, initContainerStatuses, ephemeralContainerStatuses } = status ?? {};
  return [containerStatuses, initContainerStatuses, ephemeralContainerStatuses]
    .flatMap((statuses) => statuses ?? [])
    .some(({ state }) => state?.running !== undefined);
}
