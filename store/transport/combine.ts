import { APPEND_BYTES_MAX } from "../limits.ts";
import { messageBytes, type StreamedMessage } from "./codec.ts";

type Append = Extract<StreamedMessage, { kind: "append" }>;

/**
 * Combines two messages to the same member, `later` sent right after `earlier`, into one with the
 * same effect; returns undefined if both are needed. Safe: a leader's log does not change in its
 * term, so it could have sent the combined append; other messages that are left out may be lost on
 * any network, and `later` supersedes them.
 */
export function combine(
  earlier: StreamedMessage,
  later: StreamedMessage,
): StreamedMessage | undefined {
  if (earlier.term !== later.term) return undefined;
  if (earlier.kind === "append" && later.kind === "append") return oneAppend(earlier, later);
  if (earlier.kind === "append-reply" && later.kind === "append-reply") {
    const superseded = !earlier.reject && !later.reject && later.index >= earlier.index;
    return superseded ? later : undefined;
  }
  if (earlier.kind === "heartbeat" && later.kind === "heartbeat") {
    // An answer to a later round of reads confirms the earlier ones.
    const superseded = later.readId >= earlier.readId && later.commit >= earlier.commit;
    return superseded ? later : undefined;
  }
  return undefined;
}

function oneAppend(earlier: Append, later: Append): Append | undefined {
  if (earlier.prevIndex + earlier.entries.length !== later.prevIndex) return undefined;
  if (later.commit < earlier.commit) return undefined;
  if (later.entries.length === 0) return { ...earlier, commit: later.commit };
  if (messageBytes(earlier) + messageBytes(later) > APPEND_BYTES_MAX) return undefined;
  return { ...earlier, entries: [...earlier.entries, ...later.entries], commit: later.commit };
}
