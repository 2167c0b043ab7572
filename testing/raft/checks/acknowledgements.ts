import type { Message } from "@raft2kube/store/core/message.ts";
import { require } from "../../violation.ts";
import type { DurableLogs } from "./durable-logs.ts";

/** A follower acknowledges only entries that its disk has (S1). */
export function acknowledgedIsDurable(disks: DurableLogs, message: Message): void {
  if (message.kind !== "append-reply" || message.reject) return;
  const { from, index, term } = message;
  const { lastIndex, hardState } = disks.get(from)!;
  // A leader of a later term may have replaced the entries in the same write.
  if (hardState.term > term) return;
  const text = () => `${from} acknowledges ${index}, its disk has ${lastIndex}`;
  require(index <= lastIndex, "acknowledged is durable", text);
}
